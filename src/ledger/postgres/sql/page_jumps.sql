-- Numbers that were declared lost, a page.
-- $1 shard   $2 number before the page   $3 rows
select from_seq as "from", to_seq as "to" from log_jumps where shard = $1 and from_seq > $2 order by from_seq limit $3;
