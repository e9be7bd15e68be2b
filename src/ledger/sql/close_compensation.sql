-- Notes that the store has taken the units back.
-- $1 shard   $2 seq   $3 SKU
update compensations set done_at = now() where shard = $1 and seq = $2 and sku = $3 and done_at is null;
