-- How many events of a shard wait for a person.
-- $1 shard
select count(*) as "deadLetters" from dead_letters where shard = $1 and closed_at is null;
