-- The scripts of the versions in use: a worker loads them all when it arms a shard, so that the APIs of each can sell.
create table scripts (
  digest text primary key check (digest ~ '^[0-9a-f]{40}$'),
  source text not null check (octet_length(source) <= 262144),
  used_at timestamptz not null default now()
);
comment on table scripts is 'texts of the deciding script, one a version: kept by the workers at their start, at most 8';
comment on column scripts.digest is 'SHA-1 of the text: the name by which an API calls it';
comment on column scripts.used_at is 'when a worker that carries it started last; dropped 90 days later';
