-- Moves the cursor behind the batch just booked.
-- $1 shard   $2 epoch   $3 seq of its last event
-- An epoch found in the log counts as issued: books restored from an old copy must not issue it again.
update log_cursor set epoch = $2, seq = $3, issued_epoch = greatest(issued_epoch, $2) where shard = $1;
