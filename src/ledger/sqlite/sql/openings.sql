-- Opening balances: the sums of movements that are older than their retention.

-- name: extend_ranges
-- There is one table, with every number. ?1 shard
select 0 as "extended:boolean" where ?1 >= 0

-- name: find_foldable
-- The last of the next 5000 numbers if all of their movements may go into opening balances, and the last number that has.
-- No row otherwise. ?1 shard   ?2 how old is too old, milliseconds
-- By two clocks, as in forget_lines. Never: the movement at the cursor, those of a line that is held, of a dead letter or
-- of a compensation that is open.
with page (opening_seq, to_seq, applied) as materialized (
  select opening_seq, max(opening_seq, 0) + 5000, seq from log_cursor where shard = ?1
), newest (at) as materialized (
  select unixepoch(occurred_at, 'subsec') from movements where shard = ?1 order by seq desc, line desc limit 1
)
select opening_seq as "openingSeq", to_seq as "toSeq" from page, newest
where to_seq < applied
  and not exists (select 1 from order_lines o where o.shard = ?1 and o.state = 'held' and o.seq <= to_seq)
  and not exists (select 1 from compensations c where c.shard = ?1 and c.done_at is null and c.seq <= to_seq)
  and not exists (select 1 from dead_letters d where d.shard = ?1 and d.closed_at is null and d.seq <= to_seq)
  and coalesce((
    select unixepoch(m.occurred_at, 'subsec') from movements m
    where m.shard = ?1 and m.seq <= to_seq order by m.seq desc limit 1
  ), 0) < min(unixepoch('now', 'subsec'), newest.at) - ?2 / 1000.0

-- name: fold_movements
-- Adds movements to the opening balances.
-- ?1 shard   ?2 last number that has been added   ?3 last number to add
with numbered as materialized (
  select
    sku, delta, reserved_delta, data -> 'policy' as policy, row_number() over (order by seq, line) as place
  from movements
  where shard = ?1 and seq > ?2 and seq <= ?3
), ruled as materialized (
  select sku, max(place), policy from numbered where policy is not null group by sku
), sums as materialized (
  select sku, sum(delta) as delta, sum(reserved_delta) as reserved_delta from numbered group by sku
)
insert into opening_balances (shard, sku, available, reserved, policy)
select ?1, s.sku, s.delta, s.reserved_delta, r.policy from sums s left join ruled r on r.sku = s.sku
where exists (select 1 from log_cursor where shard = ?1 and opening_seq = ?2)
on conflict (shard, sku) do update set
  available = available + excluded.available, reserved = reserved + excluded.reserved,
  policy = coalesce(excluded.policy, policy);
update log_cursor set opening_seq = ?3 where shard = ?1 and opening_seq = ?2

-- name: drop_folded
-- Deletes movements that are in opening balances, of 1000 numbers at most; a row for each. ?1 shard
delete from movements
where shard = ?1 and seq <= (
  select min(c.opening_seq, 1000 + (select m.seq from movements m where m.shard = ?1 order by m.seq limit 1))
  from log_cursor c where c.shard = ?1
)
returning seq as dropped

-- name: read_openings
-- The opening balances of SKUs and the last number in them. One row without a SKU when there are none.
-- ?1 shard   ?2 SKU before the first one   ?3 last SKU, '' = all
select c.opening_seq as seq, o.sku, o.available, o.reserved, o.policy
from log_cursor c
left join opening_balances o on o.shard = c.shard and o.sku > ?2 and (?3 = '' or o.sku <= ?3)
where c.shard = ?1
