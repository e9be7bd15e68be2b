-- Every line of an order, and how far the ledger is in each shard: a shard without a line has one row, with no SKU.
-- $1 order id
-- One look-up a shard by the primary key, instead of an index over the order ids of all shards.
select
  c.shard, c.seq as booked, o.order_id as id, '' as "returnId", o.sku, o.user_id as "userId", o.amount, o.kind,
  o.new_stock as "newStock", o.seq, round(extract(epoch from o.accepted_at) * 1000)::bigint as "atMs",
  o.state, o.units, coalesce(o.hold_ms, 0) as "holdMs",
  coalesce(round(extract(epoch from o.expires_at) * 1000)::bigint, 0) as "expiresAtMs",
  coalesce(o.settled_seq, 0) as "settledSeq",
  coalesce(o.settled_units, 0) as "settledUnits", coalesce(o.settled_stock, 0) as "settledStock",
  coalesce((
    select case when m.actor like 'cli:%' then '' else m.actor end from movements m
    where m.shard = o.shard and m.seq = o.seq and m.line = o.line
  ), '') as actor
from log_cursor c
left join order_lines o on o.shard = c.shard and o.order_id = $1
order by c.shard, o.seq, o.line;
