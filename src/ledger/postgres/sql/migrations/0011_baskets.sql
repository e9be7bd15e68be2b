-- Baskets of several shards: the decision on each, from before its first line is prepared until every shard has carried it
-- out. A basket without a row here is aborted, or sold in every shard.
create table baskets (
  order_id text collate "C" primary key,
  attempt uuid not null,
  home integer not null,
  user_id text collate "C" not null,
  lines json not null,
  decision text not null default 'open' check (decision in ('open', 'commit')),
  decide_by timestamptz not null,
  parts json,
  decided_at timestamptz,
  check ((decision = 'commit') = (parts is not null and decided_at is not null))
);
comment on table baskets is 'the decision on one basket of several shards, until each of them has carried it out';
comment on column baskets.attempt is 'one request of an order: another one begins after this one ended';
comment on column baskets.home is 'its lowest shard, whose worker deletes the row';
comment on column baskets.lines is 'what was asked for: SKUs and amounts';
comment on column baskets.decide_by is 'an open basket is aborted after it';
comment on column baskets.parts is 'committed: shard, number and new stock of each part, in the order of the shards';
create index baskets_by_home on baskets (home);
-- Prepared lines that wait for their decision.
create index order_lines_prepared on order_lines (shard, seq) where state = 'held' and kind = 'prepare';

-- The API writes here and nowhere else. The role is that of deploy/postgres/roles.sql; another one needs the same grant.
do $$
begin
  if exists (select from pg_roles where pg_roles.rolname = 'holdfast_api') then
    grant select, insert, update, delete on baskets to holdfast_api;
  end if;
end
$$;
