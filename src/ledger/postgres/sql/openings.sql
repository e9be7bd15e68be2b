-- Opening balances: the sums of movements that are older than their retention, and the partitions of the younger ones.

-- name: extend_ranges
-- Adds a range of numbers to a shard's partitions of movements when its last one is half full.
-- $1 shard
select extend_movement_ranges($1::integer) as extended;

-- name: find_foldable
-- The last number of the shard's oldest range if all of it may go into opening balances, and the last number that has.
-- No row otherwise.
-- $1 shard   $2 how old is too old, milliseconds
-- By two clocks, as in forget_lines. Never: the range of the cursor, the movements of a line that is held, of a dead
-- letter or of a compensation that is open.
with oldest as materialized (
  select r.to_seq - 1 as to_seq, c.opening_seq, c.seq as applied
  from movement_ranges r join log_cursor c using (shard)
  where r.shard = $1 and r.to_seq - 1 > c.opening_seq order by r.from_seq limit 1
)
select opening_seq as "openingSeq", to_seq as "toSeq" from oldest
where to_seq < applied
  and not exists (select from order_lines o where o.shard = $1 and o.state = 'held' and o.seq <= to_seq)
  and not exists (select from compensations c where c.shard = $1 and c.done_at is null and c.seq <= to_seq)
  and not exists (select from dead_letters d where d.shard = $1 and d.closed_at is null and d.seq <= to_seq)
  and coalesce((
    select m.occurred_at from movements m where m.shard = $1 and m.seq <= to_seq order by m.seq desc limit 1
  ), '-infinity') < least(now(), (
    select m.occurred_at from movements m where m.shard = $1 order by m.seq desc, m.line desc limit 1
  )) - make_interval(secs => $2::bigint / 1000.0);

-- name: fold_movements
-- Adds movements to the opening balances. Only who has the lease of the shard does.
-- $1 shard   $2 last number that has been added   $3 last number to add
-- Numbers as parameters, not those of log_cursor: the planner then reads one partition, by its key.
with sums as materialized (
  select
    m.sku, sum(m.delta)::bigint as delta, sum(m.reserved_delta)::bigint as reserved_delta,
    (array_agg(m.data->'policy' order by m.seq desc, m.line desc) filter (where m.data->'policy' is not null))[1]
      as policy
  from movements m where m.shard = $1 and m.seq > $2::bigint and m.seq <= $3::bigint
  group by m.sku
), added as (
  insert into opening_balances as o (shard, sku, available, reserved, policy)
  select $1::integer, sku, delta, reserved_delta, policy from sums
  where exists (select from log_cursor where shard = $1 and opening_seq = $2::bigint)
  on conflict (shard, sku) do update set
    available = o.available + excluded.available, reserved = o.reserved + excluded.reserved,
    policy = coalesce(excluded.policy, o.policy)
)
update log_cursor set opening_seq = $3::bigint where shard = $1 and opening_seq = $2::bigint;

-- name: drop_folded
-- Drops a partition whose movements are all in opening balances; no row or null when there is none.
-- $1 shard
select drop_movement_range($1::integer) as dropped;

-- name: read_openings
-- The opening balances of SKUs and the last number in them: one statement, so one snapshot. One row without a SKU when
-- there are none.
-- $1 shard   $2 SKU before the first one   $3 last SKU, '' = all
select c.opening_seq as seq, o.sku, o.available, o.reserved, o.policy::text as policy
from log_cursor c
left join opening_balances o on o.shard = c.shard and o.sku > $2 and ($3 = '' or o.sku <= $3)
where c.shard = $1;
