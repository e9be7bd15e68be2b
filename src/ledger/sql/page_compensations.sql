-- What is still to be given back, oldest first.
-- $1 shard   $2 rows
select seq, sku, amount from compensations where shard = $1 and done_at is null order by seq, sku limit $2;
