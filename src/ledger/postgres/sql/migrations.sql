-- The schema and its versions.

-- name: create_migrations
-- Creates the table of migrations.
create table if not exists migrations (
  id integer primary key,
  name text not null,
  applied_at timestamptz not null default now()
);

-- name: lock_migrations
-- Lets one process at a time create or upgrade the schema; held to the end of the transaction.
-- $1 namespace   One bigint key: apart from the leases, which use pairs of integers.
select pg_advisory_xact_lock(hashtextextended('holdfast:migrate:' || $1::text, 0));

-- name: read_migrations
-- Numbers of the applied migrations, ascending.
select id from migrations order by id;

-- name: note_migration
-- Records an applied migration.
-- $1 its number   $2 its file
insert into migrations (id, name) values ($1, $2);
