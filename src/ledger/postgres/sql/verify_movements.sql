-- Movements of a shard in their order, a page, with what a proof follows.
-- $1 shard   $2, $3 seq and line before the page   $4 last number to read   $5 rows
select
  seq, line, epoch, kind, sku, delta, reserved_delta as "reservedDelta", available_after as available,
  reserved_after as reserved,
  case when kind in ('reserve', 'extend', 'confirm', 'cancel', 'expire', 'adjust', 'create') then order_id end
    as "orderId",
  case when kind in ('reserve', 'extend') then (data->>'expires')::bigint end as expires,
  (data->'policy')::text as policy
from movements
where shard = $1 and (seq, line) > ($2, $3) and seq <= $4
order by seq, line limit $5;
