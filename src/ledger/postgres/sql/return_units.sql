-- Takes what movements just booked give back off the units of their lines. The CHECK on units refuses more than
-- was sold.
-- $1 shard   $2 seq before the first movement   $3 seq of the last one
-- Materialized for the reason in audit_stock.sql.
with returned as materialized (
  select shard, order_id, sku, sum(delta)::bigint as units
  from movements where shard = $1 and seq > $2 and seq <= $3 and kind = 'return'
  group by shard, order_id, sku
)
update order_lines o
set units = o.units - m.units
from returned m
where o.shard = m.shard and o.order_id = m.order_id and o.sku = m.sku and o.state in ('accepted', 'confirmed');
