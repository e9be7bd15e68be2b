-- Where the books of a shard are, and whose books they are; locks the row until the transaction ends.
-- $1 shard
select epoch, seq, (select id::text from deployment) as deployment from log_cursor where shard = $1 for update;
