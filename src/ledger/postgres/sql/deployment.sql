-- Whose ledger this is, and the scripts that its versions use.

-- name: find_schema
-- Whether a schema exists. $1 its name
-- Checked first, because "create schema if not exists" requires the right to create even when the schema exists.
select exists (select from pg_namespace where nspname = $1) as found;

-- name: read_deployment
-- The owner of the ledger.
select id::text as id, shards from deployment;

-- name: claim_deployment
-- Sets the owner of the ledger, once.
-- $1 id to give it (uuid)   $2 number of shards
insert into deployment (id, shards) values ($1::text::uuid, $2) on conflict do nothing;

-- name: add_cursors
-- Inserts the cursor of every shard that has none.
-- $1 number of shards
insert into log_cursor (shard) select generate_series(0, $1::integer - 1) on conflict do nothing;

-- name: keep_script
-- Stores the text of a script, or updates its last use.
-- $1 digest   $2 source
insert into scripts (digest, source) values ($1, $2)
on conflict (digest) do update set used_at = now();

-- name: read_scripts
-- The scripts of the versions in use, the latest use first.
select digest as sha, source from scripts order by used_at desc, digest limit 8;

-- name: drop_scripts
-- Deletes scripts that no worker has stored for 90 days, and all but the 8 with the latest use.
delete from scripts
where used_at < now() - interval '90 days'
  or digest not in (select digest from scripts order by used_at desc, digest limit 8);
