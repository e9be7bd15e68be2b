-- Gives back a lock that this session took.
-- $1 key, as in try_lock.sql
select pg_advisory_unlock((select oid::integer from pg_namespace where nspname = current_schema()), $1::integer);
