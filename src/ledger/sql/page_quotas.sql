-- What users have bought of SKUs with a quota within their windows, a page: the units still sold or held of the
-- lines after the number that set window or quota.
-- $1 shard   $2, $3 user and SKU before the page, '' = from the start   $4 rows
with limited as materialized (
  select sku, coalesce((policy->>'sale')::bigint, 0) as sale
  from stock where shard = $1 and policy is not null and policy->'quota' is not null
)
select o.user_id as "userId", o.sku, sum(o.units)::bigint as units, max(limited.sale) as sale
from order_lines o
join limited on limited.sku = o.sku and o.seq > limited.sale
where o.shard = $1 and o.has_quota and (o.user_id, o.sku) > ($2, $3)
group by o.user_id, o.sku
having sum(o.units) > 0
order by o.user_id, o.sku limit $4;
