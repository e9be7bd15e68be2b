-- Issues the next epoch if nobody did meanwhile; no row otherwise.
-- $1 shard   $2 the epoch issued last, as the caller knows it
update log_cursor set issued_epoch = issued_epoch + 1 where shard = $1 and issued_epoch = $2
returning issued_epoch as "issuedEpoch";
