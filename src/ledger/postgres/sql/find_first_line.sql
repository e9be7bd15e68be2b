-- The lowest number of a line remembered since a moment; null when there is none. Holds that are older do not count.
-- $1 shard   $2 the moment, milliseconds since 1970
-- The times are read first (materialized): asked for min(seq) outright, the planner walks the index of numbers from
-- the start and reads a year of lines to find a day of them.
with recent as materialized (
  select seq from order_lines where shard = $1 and accepted_at >= to_timestamp($2::bigint / 1000.0)
  union all
  select seq from movements
  where shard = $1 and kind in ('adjust', 'create', 'set', 'return')
    and occurred_at >= to_timestamp($2::bigint / 1000.0)
)
select min(seq) as seq from recent;
