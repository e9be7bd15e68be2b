-- Decisions on baskets of several shards.

-- name: begin_basket
-- Begins an attempt, unless another one of the order has not ended: one row, or none. An open attempt whose time is over is
-- aborted by this.
-- $1 order id   $2 attempt   $3 lowest shard   $4 user   $5 lines, JSON   $6 milliseconds until it must be decided
insert into baskets as b (order_id, attempt, home, user_id, lines, decide_by)
values ($1, $2, $3, $4, $5::text::json, now() + make_interval(secs => $6::bigint / 1000.0))
on conflict (order_id) do update set
  attempt = excluded.attempt, home = excluded.home, user_id = excluded.user_id, lines = excluded.lines,
  decide_by = excluded.decide_by
where b.decision = 'open' and b.decide_by <= now()
returning order_id as "orderId";

-- name: read_basket
-- The attempt of an order that has not ended. $1 order id
select
  attempt, user_id as "userId", lines::text as lines, decision, parts::text as parts,
  round(extract(epoch from decide_by) * 1000)::bigint as "decideByMs", decide_by <= now() as "isOver"
from baskets where order_id = $1;

-- name: commit_basket
-- Commits an open attempt, in time, if the ledger has all of its lines as prepared: one row, or none. A store that was
-- restored to an older state issues numbers again, so a line counts by the name of its attempt, too.
-- $1 order id   $2 attempt   $3 parts, JSON: shard, seq, lines (how many), newStock   $4 name of the attempt
update baskets set decision = 'commit', parts = $3::text::json, decided_at = now()
where order_id = $1 and attempt = $2 and decision = 'open' and decide_by > now() and not exists (
  select from json_to_recordset($3::text::json) as p (shard integer, seq bigint, lines integer)
  where p.lines <> (
    select count(*) from order_lines o
    join movements m on m.shard = o.shard and m.seq = o.seq and m.line = o.line
    where o.shard = p.shard and o.seq = p.seq and o.order_id = $1 and o.kind = 'prepare' and o.state = 'held'
      and m.reference = $4
  )
)
returning order_id as "orderId";

-- name: drop_basket
-- Aborts an open attempt: one row, or none. $1 order id   $2 attempt
delete from baskets where order_id = $1 and attempt = $2 and decision = 'open' returning order_id as "orderId";

-- name: find_prepared
-- Prepared lines of a shard, oldest first, with the decision on each: commit, abort, or open. The name of their attempt is
-- the reference of their movement.
-- $1 shard   $2 orders
-- A decision is left to the API that made it for a second.
with prepared as materialized (
  select distinct seq, order_id from order_lines
  where shard = $1 and state = 'held' and kind = 'prepare'
  order by seq limit $2
)
select
  p.order_id as "orderId", p.seq, coalesce(b.attempt::text, '') as attempt,
  coalesce((
    select m.reference from movements m
    where m.shard = $1 and m.seq = p.seq and m.kind = 'prepare' and m.order_id = p.order_id limit 1
  ), '') as name,
  case
    when b.order_id is null then 'abort'
    when b.decision = 'open' then case when b.decide_by <= now() then 'over' else 'open' end
    when b.decided_at > now() - interval '1 second' then 'open'
    when exists (
      select from json_to_recordset(b.parts) as q (shard integer, seq bigint) where q.shard = $1 and q.seq = p.seq
    ) then 'commit'
    else 'abort'
  end as decision
from prepared p left join baskets b on b.order_id = p.order_id
order by p.seq;

-- name: find_at_home
-- What the ledger has of attempts in their lowest shards: the state of a line, '' = none, and the last number applied.
-- $1 JSON array of {"home", "orderId", "name"}
select
  p.name, c.seq as applied,
  coalesce((
    select o.state from order_lines o
    join movements m on m.shard = o.shard and m.seq = o.seq and m.line = o.line
    where o.shard = p.home and o.order_id = p."orderId" and o.kind = 'prepare' and m.reference = p.name limit 1
  ), '') as state
from json_to_recordset($1::text::json) as p (home integer, "orderId" text, name text)
join log_cursor c on c.shard = p.home;

-- name: end_baskets
-- Deletes what needs no row any more, of the baskets that have this lowest shard: committed ones whose lines are sold in
-- every shard, and open ones whose time is over. Returns how many are left.
-- $1 shard
with ended as (
  delete from baskets b
  where b.home = $1 and (
    b.decision = 'open' and b.decide_by <= now()
    or b.decision = 'commit' and not exists (
      select from json_to_recordset(b.parts) as p (shard integer, seq bigint)
      join order_lines o on o.shard = p.shard and o.seq = p.seq and o.order_id = b.order_id
      where o.state = 'held'
    )
  )
  returning 1
)
select (select count(*) from baskets where home = $1) - (select count(*) from ended) as left;

-- name: forget_aborted
-- Deletes prepared lines that movements just applied abort, so that the order may be tried again, unless they commit them
-- first. Runs before the lines of the next attempt are inserted. Lines that were prepared a second time have no order line:
-- the abort closes their compensation.
-- $1 shard   $2 seq before the first movement   $3 seq of the last one
-- Materialized for the reason in audit_stock.
with aborted as materialized (
  select shard, order_id, sku, seq
  from movements where shard = $1 and seq > $2 and seq <= $3 and kind = 'abort'
), closed as (
  update compensations c set done_at = now()
  from movements p, aborted m
  where c.shard = $1 and c.done_at is null
    and p.shard = c.shard and p.seq = c.seq and p.sku = c.sku and p.kind = 'prepare'
    and m.order_id = p.order_id and m.sku = c.sku and m.seq > c.seq
)
delete from order_lines o using aborted m
where o.shard = m.shard and o.order_id = m.order_id and o.sku = m.sku and o.seq < m.seq
  and o.kind = 'prepare' and o.state = 'held' and not exists (
    select from movements s where s.shard = $1 and s.seq > $2 and s.seq < m.seq and s.kind = 'commit'
      and s.order_id = o.order_id and s.sku = o.sku
  );

-- name: commit_lines
-- Ends the hold of prepared lines that movements just applied commit: they are sold.
-- $1 shard   $2 seq before the first movement   $3 seq of the last one
-- Materialized for the reason in audit_stock.
with committed as materialized (
  select shard, order_id, sku, seq
  from movements where shard = $1 and seq > $2 and seq <= $3 and kind = 'commit'
)
update order_lines o
set state = 'accepted'
from committed m
where o.shard = m.shard and o.order_id = m.order_id and o.sku = m.sku and o.seq < m.seq
  and o.kind = 'prepare' and o.state = 'held';
