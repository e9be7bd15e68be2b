-- Sets an event aside.
-- $1 shard   $2 seq   $3 the event as it came, JSON   $4 SQLSTATE   $5 why, in words
insert into dead_letters (shard, seq, event, sqlstate, reason) values ($1, $2, $3::text::json, $4, $5);
