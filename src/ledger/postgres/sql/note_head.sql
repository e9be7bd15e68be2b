-- Notes the highest number seen issued, never backwards.
-- $1 shard   $2 seq
update log_cursor set noted_head = $2 where shard = $1 and noted_head < $2;
