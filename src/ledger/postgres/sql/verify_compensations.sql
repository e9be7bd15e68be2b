-- Compensations, a page by number.
-- $1 shard   $2, $3 seq and SKU before the page   $4 rows
select seq, sku, amount, done_at is not null as "isDone" from compensations
where shard = $1 and (seq, sku) > ($2, $3)
order by seq, sku limit $4;
