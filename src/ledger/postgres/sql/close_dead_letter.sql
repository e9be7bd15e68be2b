-- Notes what a person decided about an event that was set aside; no row when there is no such dead letter, or it is closed.
-- $1 its id   $2 who   $3 the decision
update dead_letters set closed_at = now(), closed_by = $2, decision = $3 where id = $1 and closed_at is null
returning shard, seq;
