-- Where the books of a shard are, the epoch issued last and the highest number seen issued.
-- $1 shard
select epoch, seq, issued_epoch as "issuedEpoch", noted_head as "notedHead" from log_cursor where shard = $1;
