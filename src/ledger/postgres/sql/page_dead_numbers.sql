-- Numbers of events that were set aside, a page.
-- $1 shard   $2 number before the page   $3 rows
select distinct seq from dead_letters where shard = $1 and seq > $2 order by seq limit $3;
