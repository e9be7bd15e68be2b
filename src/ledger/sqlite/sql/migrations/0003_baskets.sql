-- Baskets of several shards: the decision on each, from before its first line is prepared until every shard has carried it
-- out. A basket without a row here is aborted, or sold in every shard.
create table baskets (
  order_id text primary key,
  attempt text not null,
  home integer not null, -- its lowest shard, whose worker deletes the row
  user_id text not null,
  lines text not null, -- JSON: SKUs and amounts
  decision text not null default 'open' check (decision in ('open', 'commit')),
  decide_by text not null, -- an open basket is aborted after it
  parts text, -- JSON, committed: shard, number and new stock of each part
  decided_at text,
  check ((decision = 'commit') = (parts is not null and decided_at is not null))
) strict, without rowid;
create index baskets_by_home on baskets (home);
-- Prepared lines that wait for their decision.
create index order_lines_prepared on order_lines (shard, seq) where state = 'held' and kind = 'prepare';
