-- Users and SKUs that quota lines exist of, a page; not all of them count for a window that is open.
-- $1 shard   $2, $3 user and SKU before the page   $4 rows
select distinct user_id as "userId", sku from order_lines
where shard = $1 and has_quota and (user_id, sku) > ($2, $3)
order by user_id, sku limit $4;
