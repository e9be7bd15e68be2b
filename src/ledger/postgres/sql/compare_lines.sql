-- Remembered lines that a store shows, as the ledger has them.
-- $1 shard   $2 JSON array of {"at", "id", "returnId", "sku", "kind", "seq"}; at = its place in the array
-- A line that was sold a second time after the window stands in the ledger under the number of the first time: the store
-- knows the second. Compensations and dead letters know both, so such a line is not compared (`isAside`).
select
  r.at, coalesce(o.kind, m.kind) as kind, coalesce(o.user_id, m.user_id) as "userId",
  case when r.kind in ('deduct', 'order', 'reserve') then o.amount else m.delta end as amount,
  case when r.kind in ('deduct', 'order', 'reserve') then o.seq else m.seq end as seq,
  coalesce(o.state, 'accepted') as state, coalesce(o.units, 0) as units,
  case when o.state = 'held' then round(extract(epoch from o.expires_at) * 1000)::bigint else 0 end as "expiresAtMs",
  exists (select from compensations c where c.shard = $1 and c.seq = r.seq)
    or exists (select from dead_letters d where d.shard = $1 and d.seq = r.seq) as "isAside"
from json_to_recordset($2::text::json) as r (
  at integer, id text, "returnId" text, sku text, kind text, seq bigint
)
left join order_lines o
  on r.kind in ('deduct', 'order', 'reserve') and o.shard = $1 and o.order_id = r.id and o.sku = r.sku
left join movements m
  on r.kind not in ('deduct', 'order', 'reserve') and m.shard = $1 and m.seq = r.seq and m.sku = r.sku
    and m.order_id = r.id and m.kind = r.kind
order by r.at;
