-- Notes what a store knows beyond these books, never backwards: kept also when the store is emptied afterwards.
-- $1 shard   $2 last number issued   $3 last number booked, as the store was told   $4 epoch
update log_cursor set
  noted_head = greatest(noted_head, $2::bigint), seen_booked = greatest(seen_booked, $3::bigint),
  seen_epoch = greatest(seen_epoch, $4::bigint)
where shard = $1;
