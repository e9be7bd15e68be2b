-- Reads of a rebuild, in pages.

-- name: page_stock
-- Stock of a shard by SKU, a page.
-- $1 shard   $2 SKU before the page, '' = from the start   $3 rows
select sku, available, reserved, policy from stock where shard = $1 and sku > $2 order by sku limit $3;

-- name: page_lines
-- Remembered lines by number, a page: the order lines of the window and those still held, whatever their age, and
-- adjustments and returns from the movements.
-- $1 shard   $2, $3 seq and line before the page   $4 accepted since, milliseconds since 1970   $5 rows
-- $6 lowest number of the window   $7, $8 start of the page in the window: after $2, $3, or where the window does
-- Below the window only held lines are read, by their own index, so a hold that is a year old does not make the page
-- read a year. The time is compared as a number, which no index serves: with the index of times at hand the planner
-- read and sorted the rest of the window for every page, 40 ms instead of 2.
-- The owner of a line is in its movement, which is looked up by the primary key. Imported lines have no owner.
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
  ), '') as actor,
  coalesce((
    select m.reference from movements m
    where m.shard = $1 and m.seq = o.seq and m.line = o.line and m.kind = 'prepare'
  ), '') as attempt
from accepted o
union all (
  select
    order_id, case kind when 'return' then reference else '' end, sku, user_id, delta, kind,
    available_after, seq, line, round(extract(epoch from occurred_at) * 1000)::bigint,
    'accepted', 0, 0, 0, 0, 0, 0, '', ''
  from movements
  where shard = $1 and (seq, line) > ($7, $8) and kind in ('adjust', 'create', 'set', 'return')
    and round(extract(epoch from occurred_at) * 1000) >= $4::bigint
  order by seq, line limit $5
)
order by seq, line limit $5;

-- name: page_quotas
-- Units that users bought of SKUs with a quota within their windows: units sold or held now of a page of lines,
-- summed by user and SKU. The next page may have the same user and SKU. Every row has the number of lines of the page
-- and its last line.
-- $1 shard   $2, $3, $4 SKU, seq and line before the page, '' = from the start   $5 lines
-- Lines before a SKU's window are not read: months of sales under older windows took longer than a statement may. The
-- row of seq and line is compared as one, so that a page of a SKU starts where the one before ended.
with page as materialized (
  select s.sku, s.sale, o.user_id, o.units, o.seq, o.line
  from (
    select sku, coalesce((policy->>'sale')::bigint, 0) as sale from stock
    where shard = $1 and policy is not null and policy->'quota' is not null and sku >= $2
    order by sku
  ) s
  cross join lateral (
    select user_id, units, seq, line from order_lines
    where shard = $1 and sku = s.sku and has_quota
      and (seq, line) > (case when s.sku = $2 then $3::bigint else s.sale end,
        case when s.sku = $2 then $4::integer else 2147483647 end)
    order by seq, line limit $5
  ) o
  order by s.sku, o.seq, o.line limit $5
), last as (
  select count(*) over () as lines, sku, seq, line from page order by sku desc, seq desc, line desc limit 1
)
select
  p.user_id as "userId", p.sku, sum(p.units)::bigint as units, p.sale,
  l.lines, l.sku as "lastSku", l.seq as "lastSeq", l.line as "lastLine"
from page p cross join last l
group by p.user_id, p.sku, p.sale, l.lines, l.sku, l.seq, l.line;

-- name: page_dead_letters
-- Events of dead letters by number, a page. Read as text: PostgreSQL cannot take a member out of one with \u0000.
-- $1 shard   $2 number before the page   $3 rows
select seq, event::text as event from dead_letters where shard = $1 and seq > $2 order by seq limit $3;

-- name: find_prepared_twice
-- Lines that were prepared a second time, and neither sold nor aborted: see compensations.
-- $1 shard
select
  m.order_id as id, '' as "returnId", m.sku, m.user_id as "userId", -m.delta as amount, m.kind,
  m.available_after as "newStock", m.seq, round(extract(epoch from m.occurred_at) * 1000)::bigint as "atMs",
  'held' as state, -m.delta as units, 0 as "holdMs", 0 as "expiresAtMs",
  0 as "settledSeq", 0 as "settledUnits", 0 as "settledStock",
  case when m.actor like 'cli:%' then '' else m.actor end as actor, m.reference as attempt
from compensations c
join movements m on m.shard = c.shard and m.seq = c.seq and m.sku = c.sku and m.kind = 'prepare'
where c.shard = $1 and c.done_at is null
order by m.seq, m.line;

-- name: page_compensations
-- Open compensations, oldest first, a page; with the valid sale of the same line: how many of its units
-- were sold when the second one was applied, and how many were returned since then.
-- $1 shard   $2, $3 seq and SKU before the page   $4 rows
-- A return that is a dead letter did not change the line.
select
  c.seq, c.sku, c.amount, m.kind, m.order_id as "orderId", back.units as "returnedUnits",
  coalesce(o.units, 0) + back.applied as "soldUnits"
from compensations c
join movements m on m.shard = c.shard and m.seq = c.seq and m.sku = c.sku and m.kind in ('deduct', 'order', 'prepare')
left join order_lines o on o.shard = c.shard and o.order_id = m.order_id and o.sku = c.sku and o.seq <> c.seq
cross join lateral (
  select
    coalesce(sum(r.delta), 0)::bigint as units,
    coalesce(sum(r.delta) filter (
      where not exists (select from dead_letters d where d.shard = r.shard and d.seq = r.seq)
    ), 0)::bigint as applied
  from movements r
  where r.shard = c.shard and r.order_id = m.order_id and r.sku = c.sku and r.kind = 'return' and r.seq > c.seq
) back
where c.shard = $1 and c.done_at is null and (c.seq, c.sku) > ($2, $3)
order by c.seq, c.sku limit $4;

-- name: page_jumps
-- Numbers that were declared lost, a page.
-- $1 shard   $2 number before the page   $3 rows
select from_seq as "from", to_seq as "to" from log_jumps where shard = $1 and from_seq > $2 order by from_seq limit $3;

-- name: page_dead_numbers
-- Numbers of dead letters, a page.
-- $1 shard   $2 number before the page   $3 rows
select distinct seq from dead_letters where shard = $1 and seq > $2 order by seq limit $3;
