-- SKUs that are nearly gone: those with fewest units first, those that are gone last.
-- $1 shard   $2 below how many units   $3 limit
select sku, available from stock
where shard = $1 and available < $2
order by available = 0, available, sku
limit $3;
