-- Locks of a session, and what the server says of itself.

-- name: try_lock
-- Takes a lock if it is free; ends with the session. A session that has it gets it once more: never ask twice.
-- $1 key: a shard, or a worker's place below 0   The first key is the schema's own oid: two namespaces of a database
-- can never have the same one, which no hash of their names could promise.
select pg_try_advisory_lock((select oid::integer from pg_namespace where nspname = current_schema()), $1::integer) as locked;

-- name: unlock
-- Gives back a lock that this session took.
-- $1 key, as in try_lock.sql
select pg_advisory_unlock((select oid::integer from pg_namespace where nspname = current_schema()), $1::integer);

-- name: read_locks
-- The keys of try_lock.sql that are taken now, by whomever. pg_locks shows them as oids, which have no sign.
select (case when objid::bigint < 2147483648 then objid::bigint else objid::bigint - 4294967296 end)::integer as key
from pg_locks
where locktype = 'advisory' and granted and objsubid = 2
  and database = (select oid from pg_database where datname = current_database())
  and classid = (select oid from pg_namespace where nspname = current_schema());

-- name: read_backends
-- Which of these server processes still run. $1: their ids, a JSON array.
select pid from pg_stat_activity
where pid in (select value::integer from json_array_elements_text($1::text::json));

-- name: read_settings
-- Settings of this session, in their base units.
-- $1 JSON array of names
select name, setting from pg_settings where name in (select json_array_elements_text($1::text::json));

-- name: read_server
-- What the server says of itself: version, encoding of the database, what a commit waits for, the time in milliseconds since 1970.
select
  current_setting('server_version') as version, current_setting('server_version_num')::integer as number,
  current_setting('server_encoding') as encoding, current_setting('fsync') as fsync, current_setting('full_page_writes') as "fullPageWrites",
  current_setting('synchronous_commit') as "synchronousCommit",
  round(extract(epoch from clock_timestamp()) * 1000)::bigint as "atMs";
