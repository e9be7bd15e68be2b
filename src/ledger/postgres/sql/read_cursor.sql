-- Where the books of a shard are, the epoch issued last, the highest number seen issued, the highest seen booked.
-- $1 shard
select epoch, seq, issued_epoch as "issuedEpoch", noted_head as "notedHead", seen_booked as "seenApplied"
from log_cursor where shard = $1;
