-- What events after a number changed: ids of orders and adjustments, users with SKUs, and SKUs whose rules changed.
-- $1 shard   $2 the number
-- An event that ends a hold names no user: the user is that of the order line.
select distinct m.order_id as id, coalesce(o.user_id, m.user_id) as "userId", m.sku,
  m.data->'policy' is not null as "isRuled"
from movements m
left join order_lines o on o.shard = m.shard and o.order_id = m.order_id and o.sku = m.sku
where m.shard = $1 and m.seq > $2;
