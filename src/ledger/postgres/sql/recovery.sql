-- Lost numbers, corrections and dead letters: decisions of operators.

-- name: request_recovery
-- Records that an operator accepts a loss.
-- $1 shard   $2 last number applied   $3 last number lost   $4 'store' or 'ledger'   $5 actor   $6 reason
insert into recoveries (shard, from_seq, to_seq, source, actor, reason)
values ($1, $2::bigint, $3::bigint, $4, $5, $6);

-- name: read_recovery
-- The last loss that an operator accepted for a shard and the worker has not acted on.
-- $1 shard
select id, from_seq as "fromSeq", to_seq as "toSeq", source, actor, reason
from recoveries where shard = $1 and done_at is null order by id desc limit 1;

-- name: close_recovery
-- Closes an accepted loss, and deletes earlier ones that were never acted on.
-- $1 shard   $2 id
update recoveries set done_at = now() where shard = $1 and id <= $2::bigint and done_at is null;

-- name: note_jump
-- Records lost numbers.
-- $1 shard   $2 last number applied   $3 last number lost   $4 epoch that follows them   $5 actor   $6 reason
insert into log_jumps (shard, from_seq, to_seq, epoch, count, actor, reason)
values ($1, $2::bigint, $3::bigint, $4, $3::bigint - $2::bigint, $5, $6);

-- name: find_jumps
-- Numbers that were declared lost, and those in opening balances, within a range: no movement has them.
-- $1 shard   $2 first number   $3 last number
select from_seq as "fromSeq", to_seq as "toSeq" from log_jumps
where shard = $1 and to_seq >= $2::bigint and from_seq < $3::bigint
union all
select -1, opening_seq from log_cursor where shard = $1 and opening_seq >= $2::bigint;

-- name: insert_corrections
-- Inserts corrections after the last number applied: at its seq, in lines from 1000 on, which no event reaches.
-- $1 shard   $2 actor   $3 reason   $4 reference
-- $5 JSON array of {"sku", "delta", "reservedDelta", "available", "reserved"}; the last two are the stock afterwards
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

-- name: set_stock
-- Sets the stock of SKUs to that of their corrections; inserts new SKUs.
-- $1 shard   $2 JSON array as in insert_corrections
insert into stock (shard, sku, available, reserved)
select $1::integer, c.sku, c.available, c.reserved
from json_to_recordset($2::text::json) as c (sku text, available bigint, reserved bigint)
on conflict (shard, sku) do update
set available = excluded.available, reserved = excluded.reserved, updated_at = now();

-- name: sum_later
-- The sums of movements after a position, by SKU.
-- $1 shard   $2, $3 seq and line of the position
select sku, sum(delta)::bigint as available, sum(reserved_delta)::bigint as reserved
from movements where shard = $1 and (seq, line) > ($2, $3) group by sku;

-- name: find_event_stock
-- The SKUs of an event with their current stock, and the units that the event took.
-- $1 shard   $2 seq
select m.kind, m.sku, s.available, s.reserved, -m.delta as taken
from movements m join stock s on s.shard = m.shard and s.sku = m.sku
where m.shard = $1 and m.seq = $2 and m.kind <> 'correction'
order by m.line;

-- name: close_dead_letter
-- Closes a dead letter with an operator's decision; no row when there is no such dead letter, or it is closed.
-- $1 its id   $2 actor   $3 decision
update dead_letters set closed_at = now(), closed_by = $2, decision = $3 where id = $1 and closed_at is null
returning shard, seq;
