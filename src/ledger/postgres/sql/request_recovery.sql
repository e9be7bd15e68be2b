-- Notes that a person accepts a loss.
-- $1 shard   $2 last number booked   $3 last number lost   $4 'store' or 'ledger'   $5 actor   $6 reason
insert into recoveries (shard, from_seq, to_seq, source, actor, reason)
values ($1, $2::bigint, $3::bigint, $4, $5, $6);
