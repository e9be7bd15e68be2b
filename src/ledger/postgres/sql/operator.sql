-- What the operator's command line reads, and the one row that it changes.

-- name: list_dead_letters
-- Dead letters, newest first. $1 most rows, $2 whether closed ones count too
select
  id, shard, seq, sqlstate, reason, created_at::text as "createdAt", closed_by as "closedBy", decision
from dead_letters where closed_at is null or $2 order by id desc limit $1;

-- name: show_dead_letter
-- One dead letter with its event. $1 id
select
  id, shard, seq, sqlstate, reason, created_at::text as "createdAt", closed_by as "closedBy", decision,
  event::text as event
from dead_letters where id = $1;

-- name: count_lost
-- Numbers that the ledger has recorded as lost since an epoch. $1 shard, $2 epoch
select coalesce(sum(count), 0)::bigint as lost from log_jumps where shard = $1 and epoch > $2;

-- name: list_jumps
-- Losses that were declared, newest first. $1 most rows
select shard, from_seq + 1 as "from", to_seq as "to", count, at::text, actor, reason
from log_jumps order by at desc, shard, from_seq limit $1;

-- name: count_recovered
-- Corrections behind a number, and events taken from the store after it. $1 shard, $2 first number, $3 last number
select
  count(*) filter (where kind = 'correction' and seq = $2) as corrected,
  count(distinct seq) filter (where seq > $2 and line >= 1000) as events
from movements where shard = $1 and seq between $2 and $3
  and (kind <> 'correction' or reference = 'numbers ' || $2::bigint + 1 || ' to ' || $3::bigint || ' are lost');

-- name: find_tables
-- Whether a worker has ever started on this database.
select to_regclass('log_cursor') is not null as exists;

-- name: page_skus
-- SKUs of all shards by name. $1 after this SKU, $2 most rows
-- The primary key begins with the shard: one short index scan a shard, then their first rows.
select s.sku, s.shard, s.available, s.reserved, s.policy::text as rules
from log_cursor c cross join lateral (
  select * from stock where stock.shard = c.shard and stock.sku > $1 order by stock.sku limit $2
) s
order by s.sku limit $2;

-- name: count_locks
-- Leases and memberships of workers: the first key of their advisory locks is the schema's oid.
select count(*)::integer as locks from pg_locks
where locktype = 'advisory' and granted
  and database = (select oid from pg_database where datname = current_database())
  and classid = (select oid from pg_namespace where nspname = current_schema());

-- name: count_leases
-- Leases alone: the second key is the shard; memberships are below zero.
select count(distinct objid) as leases from pg_locks
where locktype = 'advisory' and granted and objid < 2147483648
  and database = (select oid from pg_database where datname = current_database())
  and classid = (select oid from pg_namespace where nspname = current_schema());

-- name: rename_deployment
-- Gives the ledger another deployment id, if it still has the one that was shown. $1 new id, $2 old id
update deployment set id = $1::text::uuid where id = $2::text::uuid returning id::text as id;
