-- Decisions on baskets of several shards. See the statements of PostgreSQL.

-- name: begin_basket
-- ?1 order id   ?2 attempt   ?3 lowest shard   ?4 user   ?5 lines, JSON   ?6 milliseconds until it must be decided
insert into baskets (order_id, attempt, home, user_id, lines, decide_by)
values (?1, ?2, ?3, ?4, ?5, strftime('%Y-%m-%d %H:%M:%f', unixepoch('now', 'subsec') + ?6 / 1000.0, 'unixepoch'))
on conflict (order_id) do update set
  attempt = excluded.attempt, home = excluded.home, user_id = excluded.user_id, lines = excluded.lines,
  decide_by = excluded.decide_by
where baskets.decision = 'open' and baskets.decide_by <= strftime('%Y-%m-%d %H:%M:%f', 'now')
returning order_id as "orderId"

-- name: read_basket
-- ?1 order id
select
  attempt, user_id as "userId", lines, decision, parts,
  cast(round(unixepoch(decide_by, 'subsec') * 1000) as integer) as "decideByMs",
  decide_by <= strftime('%Y-%m-%d %H:%M:%f', 'now') as "isOver:boolean"
from baskets where order_id = ?1

-- name: commit_basket
-- ?1 order id   ?2 attempt   ?3 parts, JSON: shard, seq, lines (how many), newStock   ?4 name of the attempt
update baskets set decision = 'commit', parts = ?3, decided_at = strftime('%Y-%m-%d %H:%M:%f', 'now')
where order_id = ?1 and attempt = ?2 and decision = 'open' and decide_by > strftime('%Y-%m-%d %H:%M:%f', 'now')
  and not exists (
    select 1 from json_each(?3) p
    where p.value ->> 'lines' <> (
      select count(*) from order_lines o
      join movements m on m.shard = o.shard and m.seq = o.seq and m.line = o.line
      where o.shard = p.value ->> 'shard' and o.seq = p.value ->> 'seq' and o.order_id = ?1
        and o.kind = 'prepare' and o.state = 'held' and m.reference = ?4
    )
  )
returning order_id as "orderId"

-- name: drop_basket
-- ?1 order id   ?2 attempt
delete from baskets where order_id = ?1 and attempt = ?2 and decision = 'open' returning order_id as "orderId"

-- name: find_prepared
-- ?1 shard   ?2 orders
with prepared as materialized (
  select distinct seq, order_id from order_lines
  where shard = ?1 and state = 'held' and kind = 'prepare'
  order by seq limit ?2
)
select
  p.order_id as "orderId", p.seq, coalesce(b.attempt, '') as attempt,
  coalesce((
    select m.reference from movements m
    where m.shard = ?1 and m.seq = p.seq and m.kind = 'prepare' and m.order_id = p.order_id limit 1
  ), '') as name,
  case
    when b.order_id is null then 'abort'
    when b.decision = 'open' then
      case when b.decide_by <= strftime('%Y-%m-%d %H:%M:%f', 'now') then 'over' else 'open' end
    when b.decided_at > strftime('%Y-%m-%d %H:%M:%f', 'now', '-1 second') then 'open'
    when exists (
      select 1 from json_each(b.parts) q where q.value ->> 'shard' = ?1 and q.value ->> 'seq' = p.seq
    ) then 'commit'
    else 'abort'
  end as decision
from prepared p left join baskets b on b.order_id = p.order_id
order by p.seq

-- name: find_at_home
-- ?1 JSON array of {"home", "orderId", "name"}
select
  p.value ->> 'name' as name, c.seq as applied,
  coalesce((
    select o.state from order_lines o
    join movements m on m.shard = o.shard and m.seq = o.seq and m.line = o.line
    where o.shard = c.shard and o.order_id = p.value ->> 'orderId' and o.kind = 'prepare'
      and m.reference = p.value ->> 'name' limit 1
  ), '') as state
from json_each(?1) p join log_cursor c on c.shard = p.value ->> 'home'

-- name: end_baskets
-- ?1 shard
delete from baskets
where home = ?1 and (
  decision = 'open' and decide_by <= strftime('%Y-%m-%d %H:%M:%f', 'now')
  or decision = 'commit' and not exists (
    select 1 from json_each(baskets.parts) p
    cross join order_lines o on o.shard = p.value ->> 'shard' and o.seq = p.value ->> 'seq'
      and o.order_id = baskets.order_id
    where o.state = 'held'
  )
);
select count(*) as "left" from baskets where home = ?1

-- name: forget_aborted
-- Deletes prepared lines that movements just applied abort, so that the order may be tried again, unless they commit them
-- first. Runs before the lines of the next attempt are inserted. Lines that were prepared a second time have no order line:
-- the abort closes their compensation. Range.
update compensations set done_at = strftime('%Y-%m-%d %H:%M:%f', 'now')
where shard = ?1 and done_at is null and exists (
  select 1 from movements p
  cross join movements m on m.shard = ?1 and m.seq > max(p.seq, ?2) and m.seq <= ?3
  where p.shard = ?1 and p.seq = compensations.seq and p.sku = compensations.sku and p.kind = 'prepare'
    and m.kind = 'abort' and m.order_id = p.order_id and m.sku = p.sku
);
delete from order_lines where (shard, seq, line) in (
  select o.shard, o.seq, o.line from movements m
  cross join order_lines o on o.shard = m.shard and o.order_id = m.order_id and o.sku = m.sku
  where m.shard = ?1 and m.seq > ?2 and m.seq <= ?3 and m.kind = 'abort' and o.seq < m.seq
    and o.kind = 'prepare' and o.state = 'held' and not exists (
      select 1 from movements s where s.shard = ?1 and s.seq > ?2 and s.seq < m.seq and s.kind = 'commit'
        and s.order_id = o.order_id and s.sku = o.sku
    )
)

-- name: commit_lines
-- Ends the hold of prepared lines that movements just applied commit: they are sold. Range.
update order_lines set state = 'accepted' where (shard, seq, line) in (
  select o.shard, o.seq, o.line from movements m
  cross join order_lines o on o.shard = m.shard and o.order_id = m.order_id and o.sku = m.sku
  where m.shard = ?1 and m.seq > ?2 and m.seq <= ?3 and m.kind = 'commit' and o.seq < m.seq
    and o.kind = 'prepare' and o.state = 'held'
)
