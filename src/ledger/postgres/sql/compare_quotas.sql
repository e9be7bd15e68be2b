-- What users have bought of SKUs with a quota within its window.
-- $1 shard   $2 JSON array of {"userId", "sku"}
select r."userId", r.sku, coalesce((s.policy->>'sale')::bigint, 0) as sale,
  (
    select coalesce(sum(o.units), 0)::bigint from order_lines o
    where o.shard = $1 and o.has_quota and o.user_id = r."userId" and o.sku = r.sku
      and o.seq > coalesce((s.policy->>'sale')::bigint, 0)
  ) as units
from json_to_recordset($2::text::json) as r ("userId" text, sku text)
join stock s on s.shard = $1 and s.sku = r.sku and s.policy is not null and s.policy->'quota' is not null;
