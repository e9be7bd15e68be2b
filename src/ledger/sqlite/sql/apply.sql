-- Applies a batch, inside its transaction. ?1 is the shard; where a statement says "range", ?2 is the number
-- before the first movement and ?3 the number of the last one.
-- A text of several statements runs them in turn, each with the same parameters, and returns the rows of all.

-- name: insert_movements
-- ?2 JSON array of movements, as made by movements.ts: the statement runs for each, and $x is its member x
insert into movements (
  shard, epoch, seq, line, kind, order_id, user_id, sku, delta, reserved_delta, available_after, reserved_after,
  reason, reference, actor, traceparent, data, occurred_at
) values (
  ?1, $epoch, $seq, $line, $kind, $id, $userId, $sku, $delta, $reservedDelta, $available, $reserved,
  $reason, $reference, $actor, $traceparent, $data, strftime('%Y-%m-%d %H:%M:%f', $atMs / 1000.0, 'unixepoch')
)

-- name: add_missing_stock
-- Inserts new SKUs of movements just applied, at zero. Range.
insert into stock (shard, sku, available, reserved)
select distinct shard, sku, 0, 0 from movements where shard = ?1 and seq > ?2 and seq <= ?3
on conflict do nothing

-- name: audit_stock
-- Audits the movements just applied: every SKU must equal the store's stock after the SKU's last event. Returns the
-- SKUs that differ or would fall below zero: then the caller must roll back. Range.
-- The columns after max(place) are those of the row with the highest place.
with numbered as materialized (
  select
    sku, delta, reserved_delta, available_after, reserved_after, row_number() over (order by seq, line) as place
  from movements where shard = ?1 and seq > ?2 and seq <= ?3
), batch as materialized (
  select
    sku, sum(delta) as delta, sum(reserved_delta) as reserved_delta, max(place) as place,
    available_after as store_available, reserved_after as store_reserved
  from numbered group by sku
)
select
  b.sku, s.available + b.delta as available, s.reserved + b.reserved_delta as reserved,
  b.store_available as "storeAvailable", b.store_reserved as "storeReserved"
from batch b cross join stock s on s.shard = ?1 and s.sku = b.sku
where s.available + b.delta <> b.store_available or s.reserved + b.reserved_delta <> b.store_reserved
  or b.store_available < 0 or b.store_reserved < 0
order by b.sku;
with numbered as materialized (
  select sku, available_after, reserved_after, row_number() over (order by seq, line) as place
  from movements where shard = ?1 and seq > ?2 and seq <= ?3
), batch as materialized (
  select sku, max(place) as place, available_after as available, reserved_after as reserved
  from numbered group by sku
)
update stock set
  available = b.available, reserved = b.reserved, updated_at = strftime('%Y-%m-%d %H:%M:%f', 'now')
from batch b
where stock.shard = ?1 and stock.sku = b.sku and b.available >= 0 and b.reserved >= 0

-- name: set_policies
-- Sets the rules of SKUs to those of the last movement just applied; no rules become null. Range.
update stock set policy = nullif(m.policy, '{}')
from (
  select sku, max(place), policy from (
    select sku, data -> 'policy' as policy, row_number() over (order by seq, line) as place
    from movements where shard = ?1 and seq > ?2 and seq <= ?3 and data -> 'policy' is not null
  ) group by sku
) m
where stock.shard = ?1 and stock.sku = m.sku

-- name: insert_order_lines
-- Inserts the order lines of movements just applied, and counts those that existed before. Of two lines with one key
-- the first stays. Lines that were prepared and aborted in one batch leave none: of the decisions after them the
-- first one counts. Whether a line counts for a quota depends on the SKU's rules after the batch. Range.
insert into order_lines (
  shard, order_id, sku, user_id, amount, kind, state, units, has_quota, new_stock, seq, line, accepted_at, hold_ms,
  expires_at
)
select
  shard, order_id, sku, user_id, -delta, kind, case when kind in ('reserve', 'prepare') then 'held' else 'accepted' end,
  -delta, sku in (select sku from stock where shard = ?1 and policy is not null and policy -> 'quota' is not null),
  available_after, seq, line, occurred_at, data ->> 'hold',
  strftime('%Y-%m-%d %H:%M:%f', (data ->> 'expires') / 1000.0, 'unixepoch')
from movements
where shard = ?1 and seq > ?2 and seq <= ?3
  and (kind in ('deduct', 'order', 'reserve') or kind = 'prepare' and coalesce((
    select d.kind from movements d where d.shard = ?1 and d.seq > movements.seq and d.kind in ('commit', 'abort')
      and d.order_id = movements.order_id and d.sku = movements.sku order by d.seq limit 1
  ), '') <> 'abort')
order by seq, line
on conflict do nothing;
select (
  select count(*) from movements
  where shard = ?1 and seq > ?2 and seq <= ?3
    and (kind in ('deduct', 'order', 'reserve') or kind = 'prepare' and coalesce((
      select d.kind from movements d where d.shard = ?1 and d.seq > movements.seq and d.kind in ('commit', 'abort')
        and d.order_id = movements.order_id and d.sku = movements.sku order by d.seq limit 1
    ), '') <> 'abort')
) - (select count(*) from order_lines where shard = ?1 and seq > ?2 and seq <= ?3) as returned

-- name: extend_lines
-- Extends the held lines of movements just applied. A line extended twice gets the later end. Range.
with extended as materialized (
  select order_id, sku, strftime('%Y-%m-%d %H:%M:%f', max(data ->> 'expires') / 1000.0, 'unixepoch') as expires_at
  from movements where shard = ?1 and seq > ?2 and seq <= ?3 and kind = 'extend'
  group by order_id, sku
)
update order_lines set expires_at = coalesce(max(order_lines.expires_at, m.expires_at), order_lines.expires_at)
from extended m
where order_lines.shard = ?1 and order_lines.order_id = m.order_id and order_lines.sku = m.sku
  and order_lines.kind = 'reserve' and order_lines.settled_seq is null

-- name: settle_lines
-- Ends the hold of lines that movements just applied confirm, cancel or expire. Reserved units that do not without
-- becoming available are sold. Range.
with settled as materialized (
  select
    order_id, sku, seq, available_after, -reserved_delta - delta as units,
    case kind when 'confirm' then 'confirmed' when 'cancel' then 'cancelled' else 'expired' end as state
  from movements where shard = ?1 and seq > ?2 and seq <= ?3 and kind in ('confirm', 'cancel', 'expire')
)
update order_lines set
  state = m.state, units = m.units, settled_seq = m.seq, settled_units = m.units,
  settled_stock = m.available_after
from settled m
where order_lines.shard = ?1 and order_lines.order_id = m.order_id and order_lines.sku = m.sku
  and order_lines.kind = 'reserve' and order_lines.settled_seq is null

-- name: return_units
-- Subtracts returned units of movements just applied from their lines. The CHECK on units refuses more than was
-- sold. Range.
with returned as materialized (
  select order_id, sku, sum(delta) as units
  from movements where shard = ?1 and seq > ?2 and seq <= ?3 and kind = 'return'
  group by order_id, sku
)
update order_lines set units = order_lines.units - m.units
from returned m
where order_lines.shard = ?1 and order_lines.order_id = m.order_id and order_lines.sku = m.sku
  and order_lines.state in ('accepted', 'confirmed')

-- name: find_returned_lines
-- Events of which a line was accepted before, under another number; `same` = that was the same command: its kind, its
-- user, its SKUs and its amounts, all of them under one number and nothing else under it. Every line sold has a row in
-- order_lines by now: its own, or that of the first time. Lines that were prepared and aborted in one batch have none. Range.
with returned as (
  select
    m.seq, m.order_id, min(o.seq) as first_seq, count(*) as lines,
    count(distinct o.seq) = 1
      and min(o.seq <> m.seq and o.kind = m.kind and o.user_id = m.user_id and o.amount = -m.delta) as same
  from movements m
  cross join order_lines o on o.shard = m.shard and o.order_id = m.order_id and o.sku = m.sku
  where m.shard = ?1 and m.seq > ?2 and m.seq <= ?3
    and (m.kind in ('deduct', 'order', 'reserve') or m.kind = 'prepare' and coalesce((
      select d.kind from movements d where d.shard = ?1 and d.seq > m.seq and d.kind in ('commit', 'abort')
        and d.order_id = m.order_id and d.sku = m.sku order by d.seq limit 1
    ), '') <> 'abort')
  group by m.seq, m.order_id
  having max(o.seq <> m.seq or o.line <> m.line)
)
select r.seq, r.same and r.lines = (
  select count(*) from order_lines o where o.shard = ?1 and o.order_id = r.order_id and o.seq = r.first_seq
) as "same:boolean"
from returned r
order by r.seq

-- name: remove_order_lines
-- Deletes the order lines that an event of this transaction inserted: a basket is stored whole or not at all.
-- ?2 seq of the event
delete from order_lines where shard = ?1 and seq = ?2

-- name: find_strays
-- Events just applied that change a line which does not exist, or is not in the state for it. Recalled events may share a
-- number. Range.
with followed as materialized (
  select order_id, sku, seq, kind
  from movements
  where shard = ?1 and seq > ?2 and seq <= ?3 and kind in ('confirm', 'cancel', 'expire', 'extend', 'return', 'commit')
)
select m.seq, m.order_id as id, m.kind
from followed m
left join order_lines o on o.shard = ?1 and o.order_id = m.order_id and o.sku = m.sku and o.seq < m.seq
group by m.seq, m.order_id, m.kind
having not min(coalesce(
  case m.kind
    when 'extend' then o.kind = 'reserve' and (o.settled_seq is null or o.settled_seq > m.seq)
    when 'commit' then o.kind = 'prepare' and o.state = 'accepted'
    when 'return' then o.state = 'accepted' or (o.state = 'confirmed' and o.settled_seq < m.seq)
    else o.settled_seq = m.seq
  end,
  0
))
order by m.seq

-- name: insert_dead_letter
-- Inserts a dead letter. ?2 seq   ?3 the event as it came, JSON   ?4 SQLSTATE   ?5 reason
insert into dead_letters (shard, seq, event, sqlstate, reason) values (?1, ?2, ?3, ?4, ?5)

-- name: insert_compensations
-- Inserts the compensations of a sale: units that it took a second time. Recalled events may share its number. ?2 seq of the event
insert into compensations (shard, seq, sku, amount)
select shard, seq, sku, -delta from movements where shard = ?1 and seq = ?2 and kind in ('deduct', 'order', 'prepare')

-- name: close_compensations
-- Closes compensations whose adjustment is among these movements, in the transaction that applies it. The kinds are those
-- of the index movements_remembered. Range.
update compensations set done_at = strftime('%Y-%m-%d %H:%M:%f', 'now')
where shard = ?1 and done_at is null and exists (
  select 1 from movements m
  where m.shard = ?1 and m.seq > max(compensations.seq, ?2) and m.seq <= ?3
    and m.kind in ('adjust', 'create', 'set', 'return') and m.kind in ('adjust', 'create')
    and m.order_id = char(2) || 'returned-' || compensations.shard || '-' || compensations.seq
    and m.sku = compensations.sku
)

-- name: find_events
-- The applied events of a range of numbers, to compare with a log that is read again. Corrections have no event.
-- ?2 first number   ?3 last number
select
  seq, kind, order_id as id, user_id as "userId",
  cast(round(unixepoch(occurred_at, 'subsec') * 1000) as integer) as "atMs",
  sku, delta, reserved_delta as "reservedDelta", available_after as available, reserved_after as reserved
from movements
where shard = ?1 and seq between ?2 and ?3 and line < 1000
order by seq, line

-- name: insert_corrections
-- Inserts corrections after the last number applied: at its seq, in lines from 1000 on, which no event reaches.
-- ?2 actor   ?3 reason   ?4 reference
-- ?5 JSON array of {"sku", "delta", "reservedDelta", "available", "reserved"}; the last two are the stock afterwards
insert into movements (
  shard, epoch, seq, line, kind, order_id, user_id, sku, delta, reserved_delta, available_after, reserved_after,
  reason, reference, actor, traceparent, occurred_at
)
select
  p.shard, p.epoch, p.seq, p.line + row_number() over (order by c.value ->> 'sku'), 'correction', '', '',
  c.value ->> 'sku', c.value ->> 'delta', c.value ->> 'reservedDelta', c.value ->> 'available',
  c.value ->> 'reserved', ?3, ?4, ?2, '', strftime('%Y-%m-%d %H:%M:%f', 'now')
from (
  select shard, epoch, seq, (
    select max(999, coalesce(max(m.line), 0)) from movements m where m.shard = log_cursor.shard and m.seq = log_cursor.seq
  ) as line
  from log_cursor where shard = ?1
) p
cross join json_each(?5) c

-- name: set_stock
-- Sets the stock of SKUs to that of their corrections; inserts new SKUs. ?2 JSON array as in insert_corrections
insert into stock (shard, sku, available, reserved)
select ?1, value ->> 'sku', value ->> 'available', value ->> 'reserved' from json_each(?2) where true
on conflict (shard, sku) do update set
  available = excluded.available, reserved = excluded.reserved, updated_at = strftime('%Y-%m-%d %H:%M:%f', 'now')

-- name: close_dead_letter
-- Closes a dead letter with an operator's decision; no row when there is no such dead letter, or it is
-- closed. ?1 its id   ?2 actor   ?3 decision
update dead_letters set closed_at = strftime('%Y-%m-%d %H:%M:%f', 'now'), closed_by = ?2, decision = ?3
where id = ?1 and closed_at is null
returning shard, seq

-- name: find_event_stock
-- The SKUs of an event with their current stock, and the units that the event took. ?2 seq
select m.kind, m.sku, s.available, s.reserved, -m.delta as taken
from movements m cross join stock s on s.shard = m.shard and s.sku = m.sku
where m.shard = ?1 and m.seq = ?2 and m.kind <> 'correction'
order by m.line
