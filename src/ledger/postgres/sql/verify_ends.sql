-- Where a shard's cursor and its movements end, at one moment.
-- $1 shard
select seq, issued_epoch as "issuedEpoch",
  coalesce((select m.seq from movements m where m.shard = c.shard order by m.seq desc limit 1), 0) as last
from log_cursor c where shard = $1;
