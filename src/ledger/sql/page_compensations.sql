-- What is still to be given back, oldest first, a page.
-- $1 shard   $2, $3 seq and SKU before the page   $4 rows
select seq, sku, amount from compensations
where shard = $1 and done_at is null and (seq, sku) > ($2, $3)
order by seq, sku limit $4;
