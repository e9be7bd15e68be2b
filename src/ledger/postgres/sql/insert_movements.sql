-- Books a batch of movements.
-- $1 shard   $2 JSON array of movements, as made by movements.ts; atMs in milliseconds since 1970
-- One JSON parameter, not an array a column for UNNEST: on the same machine 110 against 126 thousand rows a second into
-- PostgreSQL and 62 to 73 against 79 into PGlite, but it is one text that both drivers send alike, and it refuses
-- half a surrogate pair, which an array would store as something else in silence.
-- fingerprint, here and in order_lines, is empty: earlier versions kept a digest there, and nothing decides by it.
insert into movements (
  shard, epoch, seq, line, kind, order_id, user_id, sku, delta, reserved_delta, available_after, reserved_after,
  fingerprint, reason, reference, actor, traceparent, data,
  occurred_at
)
select
  $1::integer, m.epoch, m.seq, m.line, m.kind, m.id, m."userId", m.sku, m.delta, m."reservedDelta", m.available,
  m.reserved, '', m.reason, m.reference, m.actor, m.traceparent, m.data,
  to_timestamp(m."atMs" / 1000.0)
from json_to_recordset($2::text::json) as m (
  epoch bigint, seq bigint, line integer, kind text, id text, "userId" text, sku text, delta bigint,
  "reservedDelta" bigint, available bigint, reserved bigint, reason text, reference text,
  actor text, traceparent text, data json, "atMs" bigint
);
