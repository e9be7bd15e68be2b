-- SKUs as they were right after a number, without those made later: one statement, so one moment.
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
