-- Deployment, cursors, migrations, scripts, accepted losses. ?1, ?2, … are the parameters.
-- A column named "x:boolean" or "x:json" is returned as x, converted.

-- name: find_schema
-- Whether there are tables, and none of them is the ledger's.
select count(*) > 0 and sum(name = 'migrations') = 0 as "isForeign:boolean" from sqlite_schema

-- name: create_migrations
create table if not exists migrations (
  id integer primary key,
  name text not null,
  applied_at text not null default (strftime('%Y-%m-%d %H:%M:%f', 'now'))
) strict

-- name: read_migrations
-- Numbers of the applied migrations, ascending.
select id from migrations order by id

-- name: note_migration
-- ?1 its number   ?2 its file
insert into migrations (id, name) values (?1, ?2)

-- name: claim_deployment
-- Sets the owner of the ledger, once. ?1 id to give it   ?2 number of shards   ?3 namespace
insert into deployment (only_row, id, shards, namespace) values (1, ?1, ?2, ?3) on conflict do nothing

-- name: read_deployment
select id, shards, namespace from deployment

-- name: add_cursors
-- Inserts the cursor of every shard that has none. ?1 number of shards
insert into log_cursor (shard)
with recursive shards (shard) as (select 0 union all select shard + 1 from shards where shard + 1 < ?1)
select shard from shards where true on conflict do nothing

-- name: read_cursor
-- ?1 shard
select epoch, seq, issued_epoch as "issuedEpoch", noted_head as "recordedHead", seen_booked as "seenApplied"
from log_cursor where shard = ?1

-- name: lock_cursor
-- The cursor of a shard, and the owner of the ledger. The transaction locks the whole file, so there is no row to lock.
-- ?1 shard
select epoch, seq, (select id from deployment) as deployment from log_cursor where shard = ?1

-- name: move_cursor
-- Moves the cursor to the end of the batch just applied. An epoch found in the log counts as issued.
-- ?1 shard   ?2 epoch   ?3 seq of its last event
update log_cursor set epoch = ?2, seq = ?3, issued_epoch = max(issued_epoch, ?2) where shard = ?1

-- name: issue_epoch
-- Issues the next epoch if no other worker did meanwhile; no row otherwise. It is one more than the highest epoch seen anywhere.
-- ?1 shard   ?2 the epoch issued last, as the caller knows it   ?3 highest epoch seen; 0 = none   ?4 the deployment
update log_cursor set issued_epoch = max(issued_epoch, seen_epoch, ?3) + 1
where shard = ?1 and issued_epoch = ?2 and exists (select 1 from deployment where id = ?4)
returning issued_epoch as "issuedEpoch"

-- name: note_head
-- Records the highest number seen issued, never backwards. ?1 shard   ?2 seq
update log_cursor set noted_head = ?2 where shard = ?1 and noted_head < ?2

-- name: note_seen
-- Records what a store issued beyond this ledger, never backwards.
-- ?1 shard   ?2 last number issued   ?3 last number acknowledged to the store   ?4 epoch
update log_cursor set
  noted_head = max(noted_head, ?2), seen_booked = max(seen_booked, ?3), seen_epoch = max(seen_epoch, ?4)
where shard = ?1

-- name: read_progress
select
  c.shard, c.seq, c.noted_head as "recordedHead",
  (select count(*) from dead_letters d where d.shard = c.shard and d.closed_at is null) as "deadLetters"
from log_cursor c
order by c.shard

-- name: note_jump
-- Records lost numbers.
-- ?1 shard   ?2 last number applied   ?3 last number lost   ?4 epoch that follows them   ?5 actor   ?6 reason
insert into log_jumps (shard, from_seq, to_seq, epoch, count, actor, reason)
values (?1, ?2, ?3, ?4, ?3 - ?2, ?5, ?6)

-- name: find_jumps
-- Numbers that were declared lost, and those in opening balances, within a range.
-- ?1 shard   ?2 first number   ?3 last number
select from_seq as "fromSeq", to_seq as "toSeq" from log_jumps
where shard = ?1 and to_seq >= ?2 and from_seq < ?3
union all
select -1, opening_seq from log_cursor where shard = ?1 and opening_seq >= ?2

-- name: request_recovery
-- Records that an operator accepts a loss.
-- ?1 shard   ?2 last number applied   ?3 last number lost   ?4 'store' or 'ledger'   ?5 actor   ?6 reason
insert into recoveries (shard, from_seq, to_seq, source, actor, reason) values (?1, ?2, ?3, ?4, ?5, ?6)

-- name: read_recovery
-- The last loss that an operator accepted for a shard and the worker has not acted on. ?1 shard
select id, from_seq as "fromSeq", to_seq as "toSeq", source, actor, reason
from recoveries where shard = ?1 and done_at is null order by id desc limit 1

-- name: close_recovery
-- Closes an accepted loss, and deletes earlier ones that were never acted on. ?1 shard   ?2 id
update recoveries set done_at = strftime('%Y-%m-%d %H:%M:%f', 'now')
where shard = ?1 and id <= ?2 and done_at is null

-- name: keep_script
-- Stores the text of a script, or updates its last use. ?1 digest   ?2 source
insert into scripts (digest, source) values (?1, ?2)
on conflict (digest) do update set used_at = strftime('%Y-%m-%d %H:%M:%f', 'now')

-- name: drop_scripts
-- Deletes scripts that no worker has stored for 90 days, and all but the 8 with the latest use.
delete from scripts
where used_at < strftime('%Y-%m-%d %H:%M:%f', 'now', '-90 days')
  or digest not in (select digest from scripts order by used_at desc, digest limit 8)

-- name: read_scripts
-- The scripts of the versions in use, the latest use first.
select digest as sha, source from scripts order by used_at desc, digest limit 8
