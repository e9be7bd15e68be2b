-- The ledger's side of `inventory reconcile`.

-- name: compare_lines
-- Remembered lines that a store shows, as the ledger has them.
-- $1 shard   $2 JSON array of {"at", "id", "returnId", "sku", "kind", "seq"}; at = its index in the array
-- A line that was sold a second time after the window has the number of the first sale in the ledger; the store
-- has the second. Compensations and dead letters know both, so such a line is not compared (`isAside`).
select
  r.at, coalesce(o.kind, m.kind) as kind, coalesce(o.user_id, m.user_id) as "userId",
  case when r.kind in ('deduct', 'order', 'reserve', 'prepare') then o.amount else m.delta end as amount,
  case when r.kind in ('deduct', 'order', 'reserve', 'prepare') then o.seq else m.seq end as seq,
  coalesce(o.state, 'accepted') as state, coalesce(o.units, 0) as units,
  case when o.state = 'held' then coalesce(round(extract(epoch from o.expires_at) * 1000)::bigint, 0) else 0 end
    as "expiresAtMs",
  exists (select from compensations c where c.shard = $1 and c.seq = r.seq)
    or exists (select from dead_letters d where d.shard = $1 and d.seq = r.seq) as "isAside"
from json_to_recordset($2::text::json) as r (
  at integer, id text, "returnId" text, sku text, kind text, seq bigint
)
left join order_lines o
  on r.kind in ('deduct', 'order', 'reserve', 'prepare') and o.shard = $1 and o.order_id = r.id and o.sku = r.sku
left join movements m
  on r.kind not in ('deduct', 'order', 'reserve', 'prepare') and m.shard = $1 and m.seq = r.seq and m.sku = r.sku
    and m.order_id = r.id and m.kind = r.kind
order by r.at;

-- name: compare_buyers
-- Users that bought SKUs with a quota within its window: a page of lines by SKU and number. A user may come more than once.
-- $1 shard   $2, $3, $4 SKU, seq and line before the page   $5 highest seq   $6 rows
select o.user_id as "userId", o.sku, o.seq, o.line from order_lines o
join stock s on s.shard = o.shard and s.sku = o.sku and s.policy is not null and s.policy->'quota' is not null
where o.shard = $1 and o.has_quota and (o.sku, o.seq, o.line) > ($2, $3, $4) and o.seq <= $5
  and o.seq > coalesce((s.policy->>'sale')::bigint, 0)
order by o.sku, o.seq, o.line limit $6;

-- name: compare_holds
-- When the open reservations of orders expire.
-- $1 shard   $2 JSON array of order ids
select o.order_id as id, max(round(extract(epoch from o.expires_at) * 1000))::bigint as expires
from json_array_elements_text($2::text::json) as r (id)
join order_lines o on o.shard = $1 and o.order_id = r.id and o.state = 'held' and o.kind = 'reserve'
group by o.order_id;

-- name: compare_quotas
-- Units that users bought of SKUs with a quota within its window.
-- $1 shard   $2 JSON array of {"userId", "sku"}
select r."userId", r.sku, coalesce((s.policy->>'sale')::bigint, 0) as sale,
  (
    select coalesce(sum(o.units), 0)::bigint from order_lines o
    where o.shard = $1 and o.has_quota and o.user_id = r."userId" and o.sku = r.sku
      and o.seq > coalesce((s.policy->>'sale')::bigint, 0)
  ) as units
from json_to_recordset($2::text::json) as r ("userId" text, sku text)
join stock s on s.shard = $1 and s.sku = r.sku and s.policy is not null and s.policy->'quota' is not null;

-- name: compare_recent
-- Keys that a store must remember, a page by number: lines of orders, adjustments and returns since a time.
-- $1 shard   $2, $3 seq and line before the page   $4 accepted since, milliseconds since 1970   $5 rows
(
  select order_id as id, '' as "returnId", kind, sku, seq, line from order_lines
  where shard = $1 and (seq, line) > ($2, $3)
    and round(extract(epoch from accepted_at) * 1000) >= $4::bigint
  order by seq, line limit $5
) union all (
  select order_id, case kind when 'return' then reference else '' end, kind, sku, seq, line from movements
  where shard = $1 and (seq, line) > ($2, $3) and kind in ('adjust', 'create', 'set', 'return')
    and round(extract(epoch from occurred_at) * 1000) >= $4::bigint
  order by seq, line limit $5
)
order by seq, line limit $5;

-- name: find_changes
-- Changes by events after a number: ids of orders and adjustments, users with SKUs, and SKUs whose rules changed.
-- $1 shard   $2 the number
-- An event that ends a hold names no user: the user is that of the order line.
select distinct m.order_id as id, coalesce(o.user_id, m.user_id) as "userId", m.sku,
  m.data->'policy' is not null as "isRuled"
from movements m
left join order_lines o on o.shard = m.shard and o.order_id = m.order_id and o.sku = m.sku
where m.shard = $1 and m.seq > $2;
