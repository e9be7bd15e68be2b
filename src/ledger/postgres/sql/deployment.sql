-- Whose ledger this is, and the scripts that its versions use.

-- name: find_schema
-- Whether a schema exists. $1 its name
-- Asked first, because "create schema if not exists" wants the right to create even when it does.
select exists (select from pg_namespace where nspname = $1) as found;

-- name: read_deployment
-- Whose books these are.
select id::text as id, shards from deployment;

-- name: claim_deployment
-- Names the owner of these books, once.
-- $1 id to give it (uuid)   $2 number of shards
insert into deployment (id, shards) values ($1::text::uuid, $2) on conflict do nothing;

-- name: add_cursors
-- Opens the books of every shard that has none.
-- $1 number of shards
insert into log_cursor (shard) select generate_series(0, $1::integer - 1) on conflict do nothing;

-- name: keep_script
-- Keeps the text of a script, or notes that it is still in use.
-- $1 digest   $2 source
insert into scripts (digest, source) values ($1, $2)
on conflict (digest) do update set used_at = now();

-- name: read_scripts
-- The scripts of the versions in use, those in use last first.
select digest as sha, source from scripts order by used_at desc, digest limit 8;

-- name: drop_scripts
-- Drops scripts that no worker has carried for 90 days, and all but the 8 that were in use last.
delete from scripts
where used_at < now() - interval '90 days'
  or digest not in (select digest from scripts order by used_at desc, digest limit 8);
