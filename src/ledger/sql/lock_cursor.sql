-- Where the books of a shard are; locks the row until the transaction ends.
-- $1 shard
select epoch, seq from log_cursor where shard = $1 for update;
