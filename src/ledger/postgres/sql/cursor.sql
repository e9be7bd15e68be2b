-- The progress of the ledger in each shard's log.

-- name: read_cursor
-- The cursor of a shard, the last issued epoch, the highest number seen issued, the highest seen applied.
-- $1 shard
select epoch, seq, issued_epoch as "issuedEpoch", noted_head as "recordedHead", seen_booked as "seenApplied"
from log_cursor where shard = $1;

-- name: lock_cursor
-- The cursor of a shard, and the owner of the ledger; locks the row until the transaction ends.
-- $1 shard
select epoch, seq, (select id::text from deployment) as deployment from log_cursor where shard = $1 for update;

-- name: move_cursor
-- Moves the cursor to the end of the batch just applied.
-- $1 shard   $2 epoch   $3 seq of its last event
-- An epoch found in the log counts as issued: a ledger restored from an old copy must not issue it again.
update log_cursor set epoch = $2, seq = $3, issued_epoch = greatest(issued_epoch, $2) where shard = $1;

-- name: issue_epoch
-- Issues the next epoch if no other worker did meanwhile; no row otherwise. It is one more than the highest epoch seen anywhere.
-- $1 shard   $2 the epoch issued last, as the caller knows it   $3 highest epoch seen in store, log or topic; 0 = none
-- $4 the deployment that must own the ledger: no row otherwise
update log_cursor set issued_epoch = greatest(issued_epoch, seen_epoch, $3::bigint) + 1
where shard = $1 and issued_epoch = $2 and exists (select from deployment where id = $4::text::uuid)
returning issued_epoch as "issuedEpoch";

-- name: note_head
-- Records the highest number seen issued, never backwards.
-- $1 shard   $2 seq
update log_cursor set noted_head = $2 where shard = $1 and noted_head < $2;

-- name: note_seen
-- Records what a store issued beyond this ledger, never backwards. It remains when the store is emptied afterwards.
-- $1 shard   $2 last number issued   $3 last number acknowledged to the store   $4 epoch
update log_cursor set
  noted_head = greatest(noted_head, $2::bigint), seen_booked = greatest(seen_booked, $3::bigint),
  seen_epoch = greatest(seen_epoch, $4::bigint)
where shard = $1;

-- name: read_progress
-- The progress of every shard: cursor, highest number seen issued, number of open dead letters.
select
  c.shard, c.seq, c.noted_head as "recordedHead",
  (select count(*) from dead_letters d where d.shard = c.shard and d.closed_at is null) as "deadLetters"
from log_cursor c
order by c.shard;
