-- Pseudonyms in place of a user.

-- name: forget_user
-- Replaces a user in the movements and order lines of a range of numbers: in one statement, because `verify` compares both.
-- Returns how many, how many are left, and the time of the newest of these, ms.
-- $1 shard   $2 number before the first one   $3 last number   $4 user   $5 pseudonym   $6 before this time, ms since 1970
-- Kept: what a store may still need after a rebuild: younger lines for retries, held lines, lines that count for a quota.
with mine as materialized (
  select order_id, sku, seq, accepted_at, state, has_quota from order_lines
  where shard = $1 and seq > $2::bigint and seq <= $3::bigint and user_id = $4
  union -- those that a later movement changes; the movement of an older line may be in an opening balance
  select order_id, sku, seq, accepted_at, state, has_quota from order_lines
  where shard = $1 and user_id = $4 and order_id in (
      select order_id from movements where shard = $1 and seq > $2::bigint and seq <= $3::bigint and user_id = $4
    )
), needed as materialized (
  select o.order_id, o.sku from mine o
  where o.accepted_at >= to_timestamp($6::bigint / 1000.0) or o.state = 'held' or (o.has_quota and exists (
      select from stock s
      where s.shard = $1 and s.sku = o.sku and s.policy is not null and s.policy->'quota' is not null
        and o.seq > coalesce((s.policy->>'sale')::bigint, 0)
    ))
), lines as (
  update order_lines o set user_id = $5
  where o.shard = $1 and o.seq > $2::bigint and o.seq <= $3::bigint and o.user_id = $4
    and not exists (select from needed n where n.order_id = o.order_id and n.sku = o.sku)
  returning o.seq, o.line
), kept_without_movement as (
  select count(*) as lines from order_lines o
  where o.shard = $1 and o.seq > $2::bigint and o.seq <= $3::bigint and o.user_id = $4
    and not exists (select from lines l where l.seq = o.seq and l.line = o.line)
    and not exists (select from movements m where m.shard = $1 and m.seq = o.seq and m.line = o.line)
), changed as (
  update movements m set user_id = $5
  where m.shard = $1 and m.seq > $2::bigint and m.seq <= $3::bigint and m.user_id = $4
    and m.occurred_at < to_timestamp($6::bigint / 1000.0)
    and not exists (select from needed n where n.order_id = m.order_id and n.sku = m.sku)
  returning m.seq, m.line
)
select
  (select count(*) from lines) as lines, (select count(*) from changed) as movements,
  count(*) filter (where c.seq is null) + (select lines from kept_without_movement) as left,
  round(extract(epoch from max(m.occurred_at) filter (where c.seq is null)) * 1000)::bigint as "newestMs"
from movements m left join changed c on c.seq = m.seq and c.line = m.line
where m.shard = $1 and m.seq > $2::bigint and m.seq <= $3::bigint and m.user_id = $4;

-- name: forget_dead_letters
-- Replaces a user in the events of dead letters. $1 user, JSON   $2 pseudonym, JSON
with changed as (
  update dead_letters
  set event = replace(event::text, '"userId":' || $1::text, '"userId":' || $2::text)::json
  where position('"userId":' || $1::text in event::text) > 0
  returning 1
)
select count(*) as "deadLetters" from changed;

-- name: note_forgotten
-- The record of a run. $1 pseudonym   $2 actor   $3 reason   $4 movements   $5 order lines   $6 dead letters
insert into forgotten (pseudonym, actor, reason, movements, order_lines, dead_letters)
values ($1, $2, $3, $4, $5, $6);

-- name: count_baskets_of
-- Baskets of several shards that are under way. $1 user
select count(*) as baskets from baskets where user_id = $1;
