-- Every line of an order. $1 order id
-- One look-up a shard by the primary key, instead of an index over the order ids of all shards.
select
  o.shard, o.order_id as id, o.sku, o.user_id as "userId", o.amount, o.kind, o.state, o.fingerprint,
  o.new_stock as "newStock", o.seq, round(extract(epoch from o.accepted_at) * 1000)::bigint as "atMs"
from log_cursor c
join order_lines o on o.shard = c.shard and o.order_id = $1
order by o.shard, o.seq, o.line;
