-- Opens the books of every shard that has none.
-- $1 number of shards
insert into log_cursor (shard) select generate_series(0, $1::integer - 1) on conflict do nothing;
