-- Remembered lines by number, a page: the order lines of the window and those still held, whatever their age, and
-- adjustments and returns out of the movements.
-- $1 shard   $2, $3 seq and line before the page   $4 accepted since, milliseconds since 1970   $5 rows
-- $6 lowest number of the window   $7, $8 where in the window the page starts: after $2, $3, or where the window does
-- Below the window only held lines are read, by their own index, so a hold that is a year old does not make the page
-- read a year. The time is compared as a number, which no index serves: with the index of times at hand the planner
-- read and sorted the rest of the window for every page, 40 ms instead of 2.
-- Who made a line is in its movement: looked up by the primary key, a line at a time. Imported lines belong to nobody.
with accepted as (
  (
    select * from order_lines
    where shard = $1 and (seq, line) > ($2, $3) and seq < $6 and state = 'held'
    order by seq, line limit $5
  ) union all (
    select * from order_lines
    where shard = $1 and (seq, line) > ($7, $8)
      and (state = 'held' or round(extract(epoch from accepted_at) * 1000) >= $4::bigint)
    order by seq, line limit $5
  )
)
select
  order_id as id, '' as "returnId", sku, user_id as "userId", amount, kind, new_stock as "newStock",
  seq, line, round(extract(epoch from accepted_at) * 1000)::bigint as "atMs",
  state, units, coalesce(hold_ms, 0) as "holdMs",
  coalesce(round(extract(epoch from expires_at) * 1000)::bigint, 0) as "expiresAtMs",
  coalesce(settled_seq, 0) as "settledSeq",
  coalesce(settled_units, 0) as "settledUnits", coalesce(settled_stock, 0) as "settledStock",
  coalesce((
    select case when m.actor like 'cli:%' then '' else m.actor end from movements m
    where m.shard = $1 and m.seq = o.seq and m.line = o.line
  ), '') as actor
from accepted o
union all (
  select
    order_id, case kind when 'return' then reference else '' end, sku, user_id, delta, kind,
    available_after, seq, line, round(extract(epoch from occurred_at) * 1000)::bigint,
    'accepted', 0, 0, 0, 0, 0, 0, ''
  from movements
  where shard = $1 and (seq, line) > ($7, $8) and kind in ('adjust', 'create', 'set', 'return')
    and round(extract(epoch from occurred_at) * 1000) >= $4::bigint
  order by seq, line limit $5
)
order by seq, line limit $5;
