-- Books corrections behind the last number booked: at its seq, in lines from 1000 on, which no event reaches.
-- $1 shard   $2 actor   $3 reason   $4 reference
-- $5 JSON array of {"sku", "delta", "reservedDelta", "available", "reserved"}; the last two are the figures after it
with correction as (
  select * from json_to_recordset($5::text::json) as c (
    sku text, delta bigint, "reservedDelta" bigint, available bigint, reserved bigint
  )
), place as (
  select shard, epoch, seq,
    (select greatest(999, max(m.line)) from movements m where m.shard = c.shard and m.seq = c.seq) as line
  from log_cursor c where shard = $1::integer
)
insert into movements (
  shard, epoch, seq, line, kind, order_id, user_id, sku, delta, reserved_delta, available_after, reserved_after,
  fingerprint, reason, reference, actor, traceparent, occurred_at
)
select
  p.shard, p.epoch, p.seq, p.line + row_number() over (order by c.sku), 'correction', '', '', c.sku, c.delta,
  c."reservedDelta", c.available, c.reserved, '', $3, $4, $2, '', now()
from correction c, place p;
