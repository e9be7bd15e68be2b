-- Stock of a shard by SKU, a page.
-- $1 shard   $2 SKU before the page, '' = from the start   $3 rows
select sku, available, reserved, policy from stock where shard = $1 and sku > $2 order by sku limit $3;
