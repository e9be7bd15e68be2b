-- Reads of the API, the worker and the command line.

-- name: find_order
-- All lines of an order, and the progress of each shard: a shard without a line has one row, with no SKU.
-- $1 order id
-- One look-up a shard by the primary key, instead of an index over the order ids of all shards.
select
  c.shard, c.seq as applied, o.order_id as id, '' as "returnId", o.sku, o.user_id as "userId", o.amount, o.kind,
  o.new_stock as "newStock", o.seq, round(extract(epoch from o.accepted_at) * 1000)::bigint as "atMs",
  o.state, o.units, coalesce(o.hold_ms, 0) as "holdMs",
  coalesce(round(extract(epoch from o.expires_at) * 1000)::bigint, 0) as "expiresAtMs",
  coalesce(o.settled_seq, 0) as "settledSeq",
  coalesce(o.settled_units, 0) as "settledUnits", coalesce(o.settled_stock, 0) as "settledStock",
  coalesce((
    select case when m.actor like 'cli:%' then '' else m.actor end from movements m
    where m.shard = o.shard and m.seq = o.seq and m.line = o.line
  ), '') as actor,
  coalesce((
    select m.reference from movements m
    where m.shard = o.shard and m.seq = o.seq and m.line = o.line and m.kind = 'prepare'
  ), '') as attempt
from log_cursor c
left join order_lines o on o.shard = c.shard and o.order_id = $1
order by c.shard, o.seq, o.line;

-- name: find_return
-- All lines of a return, oldest first. $1 order id   $2 return id
-- One look-up a shard by the index of returns.
select
  m.shard, m.order_id as id, m.reference as "returnId", m.sku, m.user_id as "userId", m.delta as amount, m.kind,
  m.available_after as "newStock", m.seq,
  round(extract(epoch from m.occurred_at) * 1000)::bigint as "atMs",
  'accepted' as state, 0 as units, 0 as "holdMs", 0 as "expiresAtMs",
  0 as "settledSeq", 0 as "settledUnits", 0 as "settledStock", '' as actor, '' as attempt
from log_cursor c
join movements m on m.shard = c.shard and m.order_id = $1 and m.kind = 'return' and m.reference = $2
order by m.shard, m.seq, m.line;

-- name: find_adjustment
-- The first change of a SKU under an adjustment id, and the progress of the shard: one row, without a change
-- when there is none. $1 shard   $2 adjustment id   $3 SKU
select
  c.seq as "appliedSeq", m.kind, m.delta as amount, m.available_after as "newStock", m.seq
from log_cursor c
left join movements m
  on m.shard = c.shard and m.order_id = $2 and m.sku = $3 and m.kind in ('adjust', 'create', 'set')
where c.shard = $1
order by m.seq limit 1;

-- name: find_strays
-- Events just applied that change a line which does not exist, or is not in the state for it. Recalled events may share a
-- number.
-- $1 shard   $2 seq before the first movement   $3 seq of the last one
-- Materialized for the reason in audit_stock.
with followed as materialized (
  select shard, order_id, sku, seq, kind
  from movements
  where shard = $1 and seq > $2 and seq <= $3 and kind in ('confirm', 'cancel', 'expire', 'extend', 'return', 'commit')
)
select m.seq, m.order_id as id, m.kind
from followed m
left join order_lines o on o.shard = m.shard and o.order_id = m.order_id and o.sku = m.sku and o.seq < m.seq
group by m.seq, m.order_id, m.kind
having not bool_and(coalesce(
  case m.kind
    when 'extend' then o.kind = 'reserve' and (o.settled_seq is null or o.settled_seq > m.seq)
    when 'commit' then o.kind = 'prepare' and o.state = 'accepted'
    when 'return' then o.state = 'accepted' or (o.state = 'confirmed' and o.settled_seq < m.seq)
    else o.settled_seq = m.seq
  end,
  false
))
order by m.seq;

-- name: find_low_stock
-- SKUs with few units: the fewest first, sold-out SKUs last.
-- $1 shard   $2 below how many units   $3 limit
select sku, available from stock
where shard = $1 and available < $2
order by available = 0, available, sku
limit $3;

-- name: count_skus
-- How many SKUs a shard has.
-- $1 shard
select count(*) as skus from stock where shard = $1;

-- name: count_dead_letters
-- Number of open dead letters of a shard.
-- $1 shard
select count(*) as "deadLetters" from dead_letters where shard = $1 and closed_at is null;

-- name: find_first_line
-- The lowest number of a line remembered since a time; null without one. Older holds do not count.
-- $1 shard   $2 the moment, milliseconds since 1970
-- The times are read first (materialized): for a plain min(seq), the planner scans the index of numbers from
-- the start and reads a year of lines to find a day of them.
with recent as materialized (
  select seq from order_lines where shard = $1 and accepted_at >= to_timestamp($2::bigint / 1000.0)
  union all
  select seq from movements
  where shard = $1 and kind in ('adjust', 'create', 'set', 'return')
    and occurred_at >= to_timestamp($2::bigint / 1000.0)
)
select min(seq) as seq from recent;
