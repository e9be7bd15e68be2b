-- Comparison of stock and movements with the store.

-- name: stock_at
-- SKUs as they were just after a number, without those created later.
-- ?1 shard   ?2 JSON array of SKUs   ?3 the number
with later as materialized (
  select sku, sum(delta) as delta, sum(reserved_delta) as reserved_delta,
    max(kind = 'create' or json_extract(data, '$.policy.unstocked') is not null) as made,
    max(json_extract(data, '$.policy') is not null) as ruled
  from movements where shard = ?1 and seq > ?3 group by sku
)
select
  s.sku, s.available - coalesce(l.delta, 0) as available, s.reserved - coalesce(l.reserved_delta, 0) as reserved,
  case when l.ruled then null else coalesce(s.policy, '{}') end as policy -- null: changed since
from stock s left join later l on l.sku = s.sku
where s.shard = ?1 and coalesce(l.made, 0) = 0 and s.sku in (select value from json_each(?2))

-- name: sum_movements
-- Sums of the movements of a range of numbers, by SKU.
-- ?1 shard   ?2 number before the first one   ?3 last number   ?4 SKU before the first one   ?5 last SKU, '' = all
select sku, sum(delta) as available, sum(reserved_delta) as reserved
from movements
where shard = ?1 and seq > ?2 and seq <= ?3 and sku > ?4 and (?5 = '' or sku <= ?5)
group by sku

-- name: find_nth_sku
-- The SKU that is `?3` rows after another one; no row when fewer follow.
-- ?1 shard   ?2 SKU before the first row   ?3 how many rows after it, from 1
select sku from stock where shard = ?1 and sku > ?2 order by sku limit 1 offset ?3 - 1
