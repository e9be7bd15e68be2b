-- Writes down the numbers that are lost.
-- $1 shard   $2 last number booked   $3 last number lost   $4 epoch that goes on behind them   $5 who decided it   $6 why
insert into log_jumps (shard, from_seq, to_seq, epoch, count, actor, reason)
values ($1, $2::bigint, $3::bigint, $4, $3::bigint - $2::bigint, $5, $6);
