-- Every line of a return, oldest first. $1 order id   $2 return id
-- One look-up a shard by the index of returns.
select
  m.shard, m.order_id as id, m.reference as "returnId", m.sku, m.user_id as "userId", m.delta as amount, m.kind,
  m.available_after as "newStock", m.seq,
  round(extract(epoch from m.occurred_at) * 1000)::bigint as "atMs",
  'accepted' as state, 0 as units, 0 as "holdMs", 0 as "expiresAtMs",
  0 as "settledSeq", 0 as "settledUnits", 0 as "settledStock", '' as actor
from log_cursor c
join movements m on m.shard = c.shard and m.order_id = $1 and m.kind = 'return' and m.reference = $2
order by m.shard, m.seq, m.line;
