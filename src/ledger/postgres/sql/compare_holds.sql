-- When the reservations of orders lapse, of those that are open.
-- $1 shard   $2 JSON array of order ids
select o.order_id as id, max(round(extract(epoch from o.expires_at) * 1000))::bigint as expires
from json_array_elements_text($2::text::json) as r (id)
join order_lines o on o.shard = $1 and o.order_id = r.id and o.state = 'held'
group by o.order_id;
