-- Users that bought SKUs with a quota within its window: a page of lines by SKU and number. A user may come more than once.
-- $1 shard   $2, $3, $4 SKU, seq and line before the page   $5 highest seq   $6 rows
select o.user_id as "userId", o.sku, o.seq, o.line from order_lines o
join stock s on s.shard = o.shard and s.sku = o.sku and s.policy is not null and s.policy->'quota' is not null
where o.shard = $1 and o.has_quota and (o.sku, o.seq, o.line) > ($2, $3, $4) and o.seq <= $5
  and o.seq > coalesce((s.policy->>'sale')::bigint, 0)
order by o.sku, o.seq, o.line limit $6;
