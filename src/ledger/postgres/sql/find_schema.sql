-- Whether a schema exists. $1 its name
-- Asked first, because "create schema if not exists" wants the right to create even when it does.
select exists (select from pg_namespace where nspname = $1) as found;
