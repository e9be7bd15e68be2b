-- Notes that what a person accepted is done, and drops what was accepted before and never done.
-- $1 shard   $2 id
update recoveries set done_at = now() where shard = $1 and id <= $2::bigint and done_at is null;
