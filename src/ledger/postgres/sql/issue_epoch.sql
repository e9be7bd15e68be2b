-- Issues the next epoch if nobody did meanwhile; no row otherwise. It is one more than the highest epoch seen anywhere.
-- $1 shard   $2 the epoch issued last, as the caller knows it   $3 highest epoch seen in store, log or topic; 0 = none
-- $4 the deployment whose books these must be: no row otherwise
update log_cursor set issued_epoch = greatest(issued_epoch, seen_epoch, $3::bigint) + 1
where shard = $1 and issued_epoch = $2 and exists (select from deployment where id = $4::text::uuid)
returning issued_epoch as "issuedEpoch";
