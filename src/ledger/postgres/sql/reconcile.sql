-- Comparison of stock and movements with the store, for `inventory reconcile` and the worker's continuous reconciliation.

-- name: stock_at
-- SKUs as they were just after a number, without those created later: one statement, so one snapshot.
-- $1 shard   $2 JSON array of SKUs   $3 the number
with later as materialized (
  select sku, sum(delta)::bigint as delta, sum(reserved_delta)::bigint as reserved_delta,
    bool_or(kind = 'create' or data->'policy'->'unstocked' is not null) as made,
    bool_or(data->'policy' is not null) as ruled
  from movements where shard = $1 and seq > $3 group by sku
)
select
  s.sku, s.available - coalesce(l.delta, 0) as available, s.reserved - coalesce(l.reserved_delta, 0) as reserved,
  case when l.ruled then null else coalesce(s.policy::text, '{}') end as policy -- null: changed since
from stock s left join later l using (sku)
where s.shard = $1 and l.made is not true and s.sku in (select json_array_elements_text($2::text::json));

-- name: sum_movements
-- Sums of the movements of a range of numbers, by SKU.
-- $1 shard   $2 number before the first one   $3 last number   $4 SKU before the first one   $5 last SKU, '' = all
select sku, sum(delta)::bigint as available, sum(reserved_delta)::bigint as reserved
from movements
where shard = $1 and seq > $2::bigint and seq <= $3::bigint and sku > $4 and ($5 = '' or sku <= $5)
group by sku;

-- name: find_nth_sku
-- The SKU that is `$3` rows after another one; no row when fewer follow.
-- $1 shard   $2 SKU before the first row   $3 how many rows after it, from 1
select sku from stock where shard = $1 and sku > $2 order by sku offset $3::bigint - 1 limit 1;
