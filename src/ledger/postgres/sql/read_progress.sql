-- How far the books of every shard are, the highest number seen issued, and how many events wait for a person.
select
  c.shard, c.seq, c.noted_head as "notedHead",
  (select count(*) from dead_letters d where d.shard = c.shard and d.closed_at is null) as "deadLetters"
from log_cursor c
order by c.shard;
