-- Lines that are held, a page by number.
-- $1 shard   $2, $3 seq and line before the page   $4 rows
select seq, line, order_id as "orderId", sku, units,
  coalesce(round(extract(epoch from expires_at) * 1000)::bigint, 0) as expires
from order_lines where shard = $1 and state = 'held' and (seq, line) > ($2, $3)
order by seq, line limit $4;
