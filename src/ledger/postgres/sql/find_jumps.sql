-- Numbers that were declared lost, within a range: no movement has them.
-- $1 shard   $2 first number   $3 last number
select from_seq as "fromSeq", to_seq as "toSeq" from log_jumps
where shard = $1 and to_seq >= $2::bigint and from_seq < $3::bigint;
