-- Movements become a partitioned table in three steps, a transaction each, so that nobody waits while rows are read.
-- First the bounds of the rows that exist, as a constraint that is not checked yet. The room above them is for what is
-- applied until the last step: rows are checked at a million a second, so half as many again suffice at 500,000 a second.
set local lock_timeout = '2s'; -- behind a long reader nobody else waits for long; it is tried again
do $$
declare past bigint;
begin
  select coalesce(max(greatest(seq, noted_head)) * 3 / 2 + 100000, 1) into past from log_cursor;
  execute format('alter table movements add constraint movements_first_bounds check (seq >= 0 and seq < %s) not valid', past);
end
$$;
