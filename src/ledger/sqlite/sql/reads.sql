-- Reads of the API, a rebuild and the retention.

-- name: page_stock
-- Stock of a shard by SKU, a page. ?1 shard   ?2 SKU before the page, '' = from the start   ?3 rows
select sku, available, reserved, policy as "policy:json" from stock
where shard = ?1 and sku > ?2 order by sku limit ?3

-- name: count_skus
-- ?1 shard
select count(*) as skus from stock where shard = ?1

-- name: count_dead_letters
-- ?1 shard
select count(*) as "deadLetters" from dead_letters where shard = ?1 and closed_at is null

-- name: find_low_stock
-- SKUs with few units: the fewest first, sold-out SKUs last.
-- ?1 shard   ?2 below how many units   ?3 limit
select sku, available from stock
where shard = ?1 and available < ?2
order by available = 0, available, sku
limit ?3

-- name: find_order
-- All lines of an order, and the progress of each shard: a shard without a line has one row, with no SKU.
-- ?1 order id
select
  c.shard, c.seq as applied, o.order_id as id, '' as "returnId", o.sku, o.user_id as "userId", o.amount, o.kind,
  o.new_stock as "newStock", o.seq, cast(round(unixepoch(o.accepted_at, 'subsec') * 1000) as integer) as "atMs",
  o.state, o.units, coalesce(o.hold_ms, 0) as "holdMs",
  coalesce(cast(round(unixepoch(o.expires_at, 'subsec') * 1000) as integer), 0) as "expiresAtMs",
  coalesce(o.settled_seq, 0) as "settledSeq",
  coalesce(o.settled_units, 0) as "settledUnits", coalesce(o.settled_stock, 0) as "settledStock",
  coalesce((
    select case when m.actor glob 'cli:*' then '' else m.actor end from movements m
    where m.shard = o.shard and m.seq = o.seq and m.line = o.line
  ), '') as actor,
  coalesce((
    select m.reference from movements m
    where m.shard = o.shard and m.seq = o.seq and m.line = o.line and m.kind = 'prepare'
  ), '') as attempt
from log_cursor c
left join order_lines o on o.shard = c.shard and o.order_id = ?1
order by c.shard, o.seq, o.line

-- name: find_return
-- All lines of a return, oldest first. ?1 order id   ?2 return id
select
  m.shard, m.order_id as id, m.reference as "returnId", m.sku, m.user_id as "userId", m.delta as amount, m.kind,
  m.available_after as "newStock", m.seq,
  cast(round(unixepoch(m.occurred_at, 'subsec') * 1000) as integer) as "atMs",
  'accepted' as state, 0 as units, 0 as "holdMs", 0 as "expiresAtMs",
  0 as "settledSeq", 0 as "settledUnits", 0 as "settledStock", '' as actor, '' as attempt
from log_cursor c
cross join movements m on m.shard = c.shard and m.order_id = ?1 and m.kind = 'return' and m.reference = ?2
order by m.shard, m.seq, m.line

-- name: find_adjustment
-- The first change of a SKU under an adjustment id, and the progress of the shard: one row, without a change
-- when there is none. ?1 shard   ?2 adjustment id   ?3 SKU
select
  c.seq as "appliedSeq", m.kind, m.delta as amount, m.available_after as "newStock", m.seq
from log_cursor c
left join movements m
  on m.shard = c.shard and m.order_id = ?2 and m.sku = ?3 and m.kind in ('adjust', 'create', 'set')
where c.shard = ?1
order by m.seq limit 1

-- name: find_first_line
-- The lowest number of a line remembered since a time; null without one. Older holds do not count.
-- ?1 shard   ?2 the moment, milliseconds since 1970
-- For a plain min(seq), the planner scans the numbers from the start.
select min(seq) as seq from (
  select seq from order_lines indexed by order_lines_by_time
  where shard = ?1 and accepted_at >= strftime('%Y-%m-%d %H:%M:%f', ?2 / 1000.0, 'unixepoch')
  union all
  select seq from movements indexed by movements_remembered_by_time
  where shard = ?1 and kind in ('adjust', 'create', 'set', 'return')
    and occurred_at >= strftime('%Y-%m-%d %H:%M:%f', ?2 / 1000.0, 'unixepoch')
)

-- name: page_lines
-- Remembered lines by number, a page: the order lines of the window and those still held, whatever their age, and
-- adjustments and returns from the movements.
-- ?1 shard   ?2, ?3 seq and line before the page   ?4 accepted since, milliseconds since 1970   ?5 rows
-- ?6 lowest number of the window   ?7, ?8 start of the page in the window: after ?2, ?3, or where the window does
-- Below the window only held lines are read, by their own index. The plus keeps the index of times out.
with since (at) as (select strftime('%Y-%m-%d %H:%M:%f', ?4 / 1000.0, 'unixepoch')),
accepted as materialized (
  select * from (
    select * from order_lines indexed by order_lines_held
    where shard = ?1 and (seq, line) > (?2, ?3) and seq < ?6 and state = 'held'
    order by seq, line limit ?5
  )
  union all
  select * from (
    select * from order_lines
    where shard = ?1 and (seq, line) > (?7, ?8) and (state = 'held' or +accepted_at >= (select at from since))
    order by seq, line limit ?5
  )
)
select
  order_id as id, '' as "returnId", sku, user_id as "userId", amount, kind, new_stock as "newStock",
  seq, line, cast(round(unixepoch(accepted_at, 'subsec') * 1000) as integer) as "atMs",
  state, units, coalesce(hold_ms, 0) as "holdMs",
  coalesce(cast(round(unixepoch(expires_at, 'subsec') * 1000) as integer), 0) as "expiresAtMs",
  coalesce(settled_seq, 0) as "settledSeq",
  coalesce(settled_units, 0) as "settledUnits", coalesce(settled_stock, 0) as "settledStock",
  coalesce((
    select case when m.actor glob 'cli:*' then '' else m.actor end from movements m
    where m.shard = ?1 and m.seq = o.seq and m.line = o.line
  ), '') as actor,
  coalesce((
    select m.reference from movements m
    where m.shard = ?1 and m.seq = o.seq and m.line = o.line and m.kind = 'prepare'
  ), '') as attempt
from accepted o
union all
select * from (
  select
    order_id, case kind when 'return' then reference else '' end, sku, user_id, delta, kind,
    available_after, seq, line, cast(round(unixepoch(occurred_at, 'subsec') * 1000) as integer),
    'accepted', 0, 0, 0, 0, 0, 0, '', ''
  from movements indexed by movements_remembered
  where shard = ?1 and (seq, line) > (?7, ?8) and kind in ('adjust', 'create', 'set', 'return')
    and +occurred_at >= (select at from since)
  order by seq, line limit ?5
)
order by seq, line limit ?5

-- name: page_quotas
-- Units that users bought of SKUs with a quota within their windows: units sold or held now of a page of lines,
-- summed by user and SKU. The next page may have the same user and SKU. Every row has the number of lines of the page
-- and its last line.
-- ?1 shard   ?2, ?3, ?4 SKU, seq and line before the page, '' = from the start   ?5 lines
-- Lines before a SKU's window are not read.
with page as materialized (
  select s.sku, coalesce(s.policy ->> '$.sale', 0) as sale, o.user_id, o.units, o.seq, o.line
  from stock s cross join order_lines o indexed by order_lines_with_quota
  where s.shard = ?1 and s.policy is not null and s.policy -> 'quota' is not null and s.sku >= ?2
    and o.shard = ?1 and o.sku = s.sku and o.has_quota = 1
    and o.seq >= iif(s.sku = ?2, ?3, coalesce(s.policy ->> '$.sale', 0) + 1)
    and (s.sku <> ?2 or (o.seq, o.line) > (?3, ?4))
  order by s.sku, o.seq, o.line limit ?5
), last as (
  select count(*) over () as lines, sku, seq, line from page order by sku desc, seq desc, line desc limit 1
)
select
  p.user_id as "userId", p.sku, sum(p.units) as units, p.sale,
  l.lines, l.sku as "lastSku", l.seq as "lastSeq", l.line as "lastLine"
from page p cross join last l
group by p.user_id, p.sku, p.sale

-- name: page_dead_letters
-- Events of dead letters by number, a page. ?1 shard   ?2 number before the page   ?3 rows
select seq, event from dead_letters where shard = ?1 and seq > ?2 order by seq limit ?3

-- name: find_prepared_twice
-- Lines that were prepared a second time, and neither sold nor aborted: see compensations. ?1 shard
select
  m.order_id as id, '' as "returnId", m.sku, m.user_id as "userId", -m.delta as amount, m.kind,
  m.available_after as "newStock", m.seq, cast(round(unixepoch(m.occurred_at, 'subsec') * 1000) as integer) as "atMs",
  'held' as state, -m.delta as units, 0 as "holdMs", 0 as "expiresAtMs",
  0 as "settledSeq", 0 as "settledUnits", 0 as "settledStock",
  case when m.actor glob 'cli:*' then '' else m.actor end as actor, m.reference as attempt
from compensations c
cross join movements m on m.shard = c.shard and m.seq = c.seq and m.sku = c.sku and m.kind = 'prepare'
where c.shard = ?1 and c.done_at is null
order by m.seq, m.line

-- name: page_compensations
-- Open compensations, oldest first, a page; with the valid sale of the same line: how many of its units
-- were sold when the second one was applied, and how many were returned since then.
-- ?1 shard   ?2, ?3 seq and SKU before the page   ?4 rows
-- A return that is a dead letter did not change the line.
with open as (
  select c.shard, c.seq, c.sku, c.amount, m.kind, m.order_id, coalesce(o.units, 0) as units
  from compensations c
  cross join movements m on m.shard = c.shard and m.seq = c.seq and m.sku = c.sku
    and m.kind in ('deduct', 'order', 'prepare')
  left join order_lines o on o.shard = c.shard and o.order_id = m.order_id and o.sku = c.sku and o.seq <> c.seq
  where c.shard = ?1 and c.done_at is null and (c.seq, c.sku) > (?2, ?3)
  order by c.seq, c.sku limit ?4
)
select
  seq, sku, amount, kind, order_id as "orderId",
  (
    select coalesce(sum(r.delta), 0) from movements r
    where r.shard = ?1 and r.order_id = open.order_id and r.sku = open.sku and r.kind = 'return' and r.seq > open.seq
  ) as "returnedUnits",
  units + (
    select coalesce(sum(r.delta), 0) from movements r
    where r.shard = ?1 and r.order_id = open.order_id and r.sku = open.sku and r.kind = 'return' and r.seq > open.seq
      and not exists (select 1 from dead_letters d where d.shard = ?1 and d.seq = r.seq)
  ) as "soldUnits"
from open order by seq, sku

-- name: forget_lines
-- Deletes order lines that are too old, out of one page; returns how many, and the start of the next page (no
-- row when the page was empty or had only young lines at its end: no old lines are left).
-- ?1 shard   ?2, ?3 seq and line before the page   ?4 how old is too old, milliseconds   ?5 rows
-- Two clocks must agree that a line is old, this machine's and that of the newest line. Never deleted: held lines,
-- and lines that count for a quota.
with page as materialized (
  select sku, seq, line, accepted_at, state, has_quota from order_lines
  where shard = ?1 and (seq, line) > (?2, ?3)
  order by seq, line limit ?5
), bound (at) as materialized (
  select strftime(
    '%Y-%m-%d %H:%M:%f', min(unixepoch('now', 'subsec'), unixepoch(accepted_at, 'subsec')) - ?4 / 1000.0, 'unixepoch'
  ) from (select accepted_at from order_lines where shard = ?1 order by seq desc, line desc limit 1)
)
select (
  select count(*) from page p, bound
  where p.accepted_at < bound.at and p.state <> 'held' and not (p.has_quota and exists (
    select 1 from stock s
    where s.shard = ?1 and s.sku = p.sku and s.policy is not null and s.policy -> 'quota' is not null
      and p.seq > coalesce(s.policy ->> 'sale', 0)
  ))
) as lines, p.seq, p.line
from (select seq, line, accepted_at from page order by seq desc, line desc limit 1) p, bound
where p.accepted_at < bound.at;
with page as materialized (
  select sku, seq, line, accepted_at, state, has_quota from order_lines
  where shard = ?1 and (seq, line) > (?2, ?3)
  order by seq, line limit ?5
), bound (at) as materialized (
  select strftime(
    '%Y-%m-%d %H:%M:%f', min(unixepoch('now', 'subsec'), unixepoch(accepted_at, 'subsec')) - ?4 / 1000.0, 'unixepoch'
  ) from (select accepted_at from order_lines where shard = ?1 order by seq desc, line desc limit 1)
)
delete from order_lines
where shard = ?1 and (seq, line) in (
  select p.seq, p.line from page p, bound
  where p.accepted_at < bound.at and p.state <> 'held' and not (p.has_quota and exists (
    select 1 from stock s
    where s.shard = ?1 and s.sku = p.sku and s.policy is not null and s.policy -> 'quota' is not null
      and p.seq > coalesce(s.policy ->> 'sale', 0)
  ))
)
