-- Pseudonyms in place of a user. See the statements of PostgreSQL.

-- name: forget_user
-- In one transaction, because `verify` compares both tables. The pseudonym is of this run alone, so the rows that have it
-- are those that were replaced.
-- ?1 shard   ?2 number before the first one   ?3 last number   ?4 user   ?5 pseudonym   ?6 before this time, ms since 1970
with needed as materialized (
  select o.order_id, o.sku from order_lines o
  where o.shard = ?1 and o.user_id = ?4 and o.order_id in (
      select order_id from movements where shard = ?1 and seq > ?2 and seq <= ?3 and user_id = ?4
    )
    and (o.accepted_at >= strftime('%Y-%m-%d %H:%M:%f', ?6 / 1000.0, 'unixepoch') or o.state = 'held'
      or (o.has_quota and exists (
        select 1 from stock s
        where s.shard = ?1 and s.sku = o.sku and s.policy is not null and s.policy -> 'quota' is not null
          and o.seq > coalesce(s.policy ->> 'sale', 0)
      )))
)
update movements set user_id = ?5
where shard = ?1 and seq > ?2 and seq <= ?3 and user_id = ?4
  and occurred_at < strftime('%Y-%m-%d %H:%M:%f', ?6 / 1000.0, 'unixepoch')
  and (order_id, sku) not in (select order_id, sku from needed);
update order_lines set user_id = ?5
where shard = ?1 and seq > ?2 and seq <= ?3 and user_id = ?4
  and accepted_at < strftime('%Y-%m-%d %H:%M:%f', ?6 / 1000.0, 'unixepoch') and state <> 'held'
  and not (has_quota and exists (
    select 1 from stock s
    where s.shard = ?1 and s.sku = order_lines.sku and s.policy is not null and s.policy -> 'quota' is not null
      and order_lines.seq > coalesce(s.policy ->> 'sale', 0)
  ));
select
  (select count(*) from order_lines where shard = ?1 and seq > ?2 and seq <= ?3 and user_id = ?5) as lines,
  count(*) filter (where user_id = ?5) as movements,
  count(*) filter (where user_id = ?4) + (
    select count(*) from order_lines o -- of opening balances
    where o.shard = ?1 and o.seq > ?2 and o.seq <= ?3 and o.user_id = ?4
      and not exists (select 1 from movements m where m.shard = ?1 and m.seq = o.seq and m.line = o.line)
  ) as "left",
  cast(round(unixepoch(max(occurred_at) filter (where user_id = ?4), 'subsec') * 1000) as integer) as "newestMs"
from movements where shard = ?1 and seq > ?2 and seq <= ?3 and user_id in (?4, ?5)

-- name: forget_dead_letters
-- ?1 user, JSON   ?2 pseudonym, JSON
update dead_letters set event = replace(event, '"userId":' || ?1, '"userId":' || ?2)
where instr(event, '"userId":' || ?1) > 0;
select changes() as "deadLetters"

-- name: note_forgotten
-- ?1 pseudonym   ?2 actor   ?3 reason   ?4 movements   ?5 order lines   ?6 dead letters
insert into forgotten (pseudonym, actor, reason, movements, order_lines, dead_letters)
values (?1, ?2, ?3, ?4, ?5, ?6)

-- name: count_baskets_of
-- ?1 user
select count(*) as baskets from baskets where user_id = ?1
