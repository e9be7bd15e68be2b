-- Applies a batch of log entries, inside its transaction.

-- name: apply_batch
-- Applies a batch with one statement: movements, their order lines, the stock with its audit, and the cursor. Returns
-- the SKUs that differ from the store's stock or would fall below zero; then the caller must roll back.
-- $1 shard   $2, $3 epoch and seq of the last event
-- $4 … $20 an array a column, a movement an element, in the order of the numbers; null = every text is empty
-- It serves batches without rules of SKUs and without aborts, whose lines are deleted before others are inserted. An
-- order line that exists is refused as a violation of its key: "on conflict do nothing" reads the index twice, 6 of 26 µs
-- an order.
-- The expected number of rows of an array does not depend on the movements so far, unlike that of a range of numbers.
with batch as materialized (
  select
    seq, line, epoch, kind, id, coalesce(user_id, '') as user_id, sku, delta, reserved_delta, available, reserved,
    coalesce(reason, '') as reason, coalesce(reference, '') as reference, coalesce(actor, '') as actor,
    coalesce(traceparent, '') as traceparent, nullif(data, '')::json as data,
    to_timestamp(at_ms / 1000.0::float8) as at
  from unnest(
    $4::bigint[], $5::integer[], $6::bigint[], $7::text[], $8::text[], $9::text[], $10::text[], $11::bigint[],
    $12::bigint[], $13::bigint[], $14::bigint[], $15::text[], $16::text[], $17::text[], $18::text[], $19::text[],
    $20::bigint[]
  ) as m (
    seq, line, epoch, kind, id, user_id, sku, delta, reserved_delta, available, reserved, reason, reference, actor,
    traceparent, data, at_ms
  )
), moved as (
  insert into movements (
    shard, epoch, seq, line, kind, order_id, user_id, sku, delta, reserved_delta, available_after, reserved_after,
    fingerprint, reason, reference, actor, traceparent, data, occurred_at
  )
  select
    $1::integer, epoch, seq, line, kind, id, user_id, sku, delta, reserved_delta, available, reserved,
    '', reason, reference, actor, traceparent, data, at
  from batch
), limited as materialized (
  select sku from stock where shard = $1 and policy is not null and policy->'quota' is not null
), sold as (
  insert into order_lines (
    shard, order_id, sku, user_id, amount, kind, state, units, has_quota, fingerprint, new_stock, seq, line,
    accepted_at, hold_ms, expires_at
  )
  select
    $1, id, sku, user_id, -delta, kind, case when kind in ('reserve', 'prepare') then 'held' else 'accepted' end,
    -delta, sku in (select sku from limited), '', available, seq, line, at,
    (data->>'hold')::bigint, to_timestamp((data->>'expires')::bigint / 1000.0)
  from batch where kind in ('deduct', 'order', 'reserve', 'prepare')
), sums as materialized ( -- sums and last values in one pass, as in audit_stock
  select
    sku, sum(delta)::bigint as delta, sum(reserved_delta)::bigint as reserved_delta,
    (array_agg(available order by seq desc, line desc))[1] as store_available,
    (array_agg(reserved order by seq desc, line desc))[1] as store_reserved
  from batch group by sku
), audited as materialized (
  select
    b.sku, coalesce(s.available, 0) + b.delta as available, coalesce(s.reserved, 0) + b.reserved_delta as reserved,
    b.store_available, b.store_reserved, s.sku is null as is_new,
    (coalesce(s.available, 0) + b.delta, coalesce(s.reserved, 0) + b.reserved_delta) =
      (b.store_available, b.store_reserved) and least(b.store_available, b.store_reserved) >= 0 as equal
  from sums b left join stock s on s.shard = $1 and s.sku = b.sku
), updated as (
  update stock set available = a.available, reserved = a.reserved, updated_at = now()
  from audited a where stock.shard = $1 and stock.sku = a.sku and a.equal and not a.is_new
), added as (
  insert into stock (shard, sku, available, reserved)
  select $1, sku, available, reserved from audited where equal and is_new
), cursor as ( -- as move_cursor
  update log_cursor set epoch = $2::bigint, seq = $3::bigint, issued_epoch = greatest(issued_epoch, $2::bigint)
  where shard = $1
)
select
  sku, available, reserved, store_available as "storeAvailable", store_reserved as "storeReserved"
from audited where not equal order by sku;

-- name: insert_movements
-- Inserts a batch of movements.
-- $1 shard   $2 JSON array of movements, as made by movements.ts; atMs in milliseconds since 1970
-- One JSON parameter, not arrays as in apply_batch: it refuses half a surrogate pair, which an array would store as
-- something else in silence.
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

-- name: add_missing_stock
-- Inserts new SKUs of movements just applied, at zero: inserting the delta itself would violate the CHECK.
-- $1 shard   $2 seq before the first movement   $3 seq of the last one
-- No "where not exists": the planner expects one new movement, joins row by row, and 2000 sales of 200 SKUs took
-- 37 ms instead of 2.
insert into stock (shard, sku, available, reserved)
select distinct shard, sku, 0, 0 from movements where shard = $1 and seq > $2 and seq <= $3
on conflict do nothing;

-- name: audit_stock
-- Adds the movements just applied to the stock, and audits it: every SKU must equal the store's stock
-- after the SKU's last event. Returns the SKUs that differ or would fall below zero; they are not written,
-- and the caller must roll back.
-- $1 shard   $2 seq before the first movement   $3 seq of the last one
-- Materialized, and joined by the whole key: knowing that the shard is the same in both, a planner without statistics
-- reads all stock of the shard for every SKU, and 200 SKUs took 9 ms instead of 2.
with batch as materialized ( -- sums and last values in one pass: as two to be joined they took the square of the SKUs
  select
    shard, sku, sum(delta)::bigint as delta, sum(reserved_delta)::bigint as reserved_delta,
    (array_agg(available_after order by seq desc, line desc))[1] as store_available,
    (array_agg(reserved_after order by seq desc, line desc))[1] as store_reserved
  from movements
  where shard = $1 and seq > $2 and seq <= $3
  group by shard, sku
), audited as materialized (
  select
    shard, sku, available + delta as available, reserved + reserved_delta as reserved, store_available,
    store_reserved,
    (available + delta, reserved + reserved_delta) = (store_available, store_reserved)
      and least(store_available, store_reserved) >= 0 as equal
  from batch join stock using (shard, sku)
), moved as (
  update stock set available = audited.available, reserved = audited.reserved, updated_at = now()
  from audited where stock.shard = audited.shard and stock.sku = audited.sku and audited.equal
)
select
  sku, available, reserved, store_available as "storeAvailable", store_reserved as "storeReserved"
from audited where not equal order by sku;

-- name: set_policies
-- Sets the rules of SKUs to those of the last movement just applied; no rules become null.
-- $1 shard   $2 seq before the first movement   $3 seq of the last one
update stock s
set policy = nullif(m.policy::text, '{}')::json
from (
  select distinct on (sku) sku, data->'policy' as policy
  from movements where shard = $1 and seq > $2 and seq <= $3 and data->'policy' is not null
  order by sku, seq desc, line desc
) m
where s.shard = $1 and s.sku = m.sku;

-- name: insert_order_lines
-- Inserts the order lines of movements just applied, and counts those that existed before. Lines that were prepared and
-- aborted in one batch leave none: of the decisions after them the first one counts.
-- $1 shard   $2 seq before the first movement   $3 seq of the last one
-- Whether a line counts for a quota depends on the SKU's rules after the batch: a line sold in it before a window
-- began has a lower number than the window, and is not counted.
with sold as (
  select * from movements where shard = $1 and seq > $2 and seq <= $3
    and (kind in ('deduct', 'order', 'reserve') or kind = 'prepare' and coalesce((
      select d.kind from movements d where d.shard = $1 and d.seq > movements.seq and d.kind in ('commit', 'abort')
        and d.order_id = movements.order_id and d.sku = movements.sku order by d.seq limit 1
    ), '') <> 'abort')
), limited as materialized (
  select sku from stock where shard = $1 and policy is not null and policy->'quota' is not null
), accepted as (
  insert into order_lines (
    shard, order_id, sku, user_id, amount, kind, state, units, has_quota, fingerprint, new_stock, seq, line,
    accepted_at, hold_ms, expires_at
  )
  select
    shard, order_id, sku, user_id, -delta, kind, case when kind in ('reserve', 'prepare') then 'held' else 'accepted' end, -delta,
    sku in (select sku from limited), '', available_after, seq, line, occurred_at,
    (data->>'hold')::bigint, to_timestamp((data->>'expires')::bigint / 1000.0)
  from sold
  order by seq, line -- of two lines with one key the first stays
  on conflict do nothing
  returning 1
)
select (select count(*) from sold) - (select count(*) from accepted) as returned;

-- name: settle_lines
-- Ends the hold of lines that movements just applied confirm, cancel or expire. Reserved units that do not
-- become available are sold.
-- $1 shard   $2 seq before the first movement   $3 seq of the last one
-- Materialized for the reason in audit_stock. Not "state = 'held'": for that the planner takes the index of all
-- held lines and walks it for every movement, and 1024 confirmations took 250 ms instead of 8.
with settled as materialized (
  select
    shard, order_id, sku, seq, available_after, -reserved_delta - delta as units,
    case kind when 'confirm' then 'confirmed' when 'cancel' then 'cancelled' else 'expired' end as state
  from movements where shard = $1 and seq > $2 and seq <= $3 and kind in ('confirm', 'cancel', 'expire')
)
update order_lines o
set
  state = m.state, units = m.units, settled_seq = m.seq,
  settled_units = m.units, settled_stock = m.available_after
from settled m
where o.shard = m.shard and o.order_id = m.order_id and o.sku = m.sku
  and o.kind = 'reserve' and o.settled_seq is null;

-- name: extend_lines
-- Extends the held lines of movements just applied. A line extended twice gets the later end.
-- $1 shard   $2 seq before the first movement   $3 seq of the last one
-- Materialized for the reason in audit_stock. Not "state = 'held'": for that the planner takes the index of all
-- held lines and walks it for every movement, and 1024 confirmations took 250 ms instead of 8.
with extended as materialized (
  select shard, order_id, sku, to_timestamp(max((data->>'expires')::bigint) / 1000.0) as expires_at
  from movements where shard = $1 and seq > $2 and seq <= $3 and kind = 'extend'
  group by shard, order_id, sku
)
update order_lines o
set expires_at = greatest(o.expires_at, m.expires_at)
from extended m
where o.shard = m.shard and o.order_id = m.order_id and o.sku = m.sku
  and o.kind = 'reserve' and o.settled_seq is null;

-- name: return_units
-- Subtracts returned units of movements just applied from their lines. The CHECK on units refuses more than
-- was sold.
-- $1 shard   $2 seq before the first movement   $3 seq of the last one
-- Materialized for the reason in audit_stock.
with returned as materialized (
  select shard, order_id, sku, sum(delta)::bigint as units
  from movements where shard = $1 and seq > $2 and seq <= $3 and kind = 'return'
  group by shard, order_id, sku
)
update order_lines o
set units = o.units - m.units
from returned m
where o.shard = m.shard and o.order_id = m.order_id and o.sku = m.sku and o.state in ('accepted', 'confirmed');

-- name: remove_order_lines
-- Deletes the order lines that an event of this transaction inserted: a basket is stored whole or not at all.
-- $1 shard   $2 seq of the event
delete from order_lines where shard = $1 and seq = $2;

-- name: find_events
-- The applied events of a range of numbers, to compare with a log that is read again. Corrections have no event.
-- $1 shard   $2 first number   $3 last number
select
  seq, kind, order_id as id, user_id as "userId", round(extract(epoch from occurred_at) * 1000)::bigint as "atMs",
  sku, delta, reserved_delta as "reservedDelta", available_after as available, reserved_after as reserved
from movements
where shard = $1 and seq between $2::bigint and $3::bigint and line < 1000
order by seq, line;

-- name: find_returned_lines
-- Events of which a line was accepted before, under another number; `same` = that was the same command: its kind, its
-- user, its SKUs and its amounts, all of them under one number and nothing else under it. Every line sold has a row in
-- order_lines by now: its own, or that of the first time. Lines that were prepared and aborted in one batch have none.
-- $1 shard   $2 seq before the first movement   $3 seq of the last one
with returned as (
  select
    m.seq, m.order_id, min(o.seq) as first_seq, count(*) as lines,
    count(distinct o.seq) = 1 and bool_and(
      o.seq <> m.seq and o.kind = m.kind and o.user_id = m.user_id and o.amount = -m.delta
    ) as same
  from movements m
  join order_lines o on o.shard = m.shard and o.order_id = m.order_id and o.sku = m.sku
  where m.shard = $1 and m.seq > $2 and m.seq <= $3
    and (m.kind in ('deduct', 'order', 'reserve') or m.kind = 'prepare' and coalesce((
      select d.kind from movements d where d.shard = $1 and d.seq > m.seq and d.kind in ('commit', 'abort')
        and d.order_id = m.order_id and d.sku = m.sku order by d.seq limit 1
    ), '') <> 'abort')
  group by m.seq, m.order_id
  having bool_or((o.seq, o.line) <> (m.seq, m.line))
)
select r.seq, r.same and r.lines = (
  select count(*) from order_lines o where o.shard = $1 and o.order_id = r.order_id and o.seq = r.first_seq
) as same
from returned r
order by r.seq;

-- name: insert_dead_letter
-- Inserts a dead letter.
-- $1 shard   $2 seq   $3 the event as it came, JSON   $4 SQLSTATE   $5 reason
insert into dead_letters (shard, seq, event, sqlstate, reason) values ($1, $2, $3::text::json, $4, $5);

-- name: close_compensations
-- Closes compensations whose adjustment is among these movements: in the transaction that applies it, so that units are
-- returned once even when the worker dies before it receives the store's response.
-- $1 shard   $2 seq before the first movement   $3 seq of the last one
-- The kinds are those of the index movements_remembered, in which adjustments are found.
update compensations c set done_at = now()
from movements m
where c.shard = $1 and c.done_at is null
  and m.shard = c.shard and m.seq > greatest(c.seq, $2::bigint) and m.seq <= $3::bigint
  and m.kind in ('adjust', 'create', 'set', 'return') and m.kind in ('adjust', 'create')
  and m.order_id = chr(2) || 'returned-' || c.shard || '-' || c.seq and m.sku = c.sku;

-- name: insert_compensations
-- Inserts the compensations of a sale: units that it took a second time. Recalled events may share its number.
-- $1 shard   $2 seq of the event
insert into compensations (shard, seq, sku, amount)
select shard, seq, sku, -delta from movements where shard = $1 and seq = $2 and kind in ('deduct', 'order', 'prepare');
