-- Locks of a session, and settings of the server.

-- name: try_lock
-- Takes a lock if it is free; ends with the session. A session that has the lock gets it again: never call twice.
-- $1 key: a shard, or a worker's slot below 0   The first key is the schema's own oid: two namespaces of a database
-- never have the same one, which a hash of their names cannot guarantee.
select pg_try_advisory_lock((select oid::integer from pg_namespace where nspname = current_schema()), $1::integer) as locked;

-- name: unlock
-- Releases a lock of this session.
-- $1 key, as in try_lock
select pg_advisory_unlock((select oid::integer from pg_namespace where nspname = current_schema()), $1::integer);

-- name: read_locks
-- The keys of try_lock that are held by any session. pg_locks shows them as oids, which have no sign.
select (case when objid::bigint < 2147483648 then objid::bigint else objid::bigint - 4294967296 end)::integer as key
from pg_locks
where locktype = 'advisory' and granted and objsubid = 2
  and database = (select oid from pg_database where datname = current_database())
  and classid = (select oid from pg_namespace where nspname = current_schema());

-- name: end_silent
-- Ends sessions that have a lock of this schema and wait for the rest of a statement. idle_session_timeout ends one that is
-- idle; one whose client stopped between the messages of a statement is active, and statement_timeout does not count
-- there. $1: silent for so long, ms
select pg_terminate_backend(pid) from pg_stat_activity
where state = 'active' and wait_event = 'ClientRead' and usename = current_user and pid <> pg_backend_pid()
  and state_change < clock_timestamp() - $1::integer * interval '1 ms'
  and pid in (
    select pid from pg_locks
    where locktype = 'advisory' and granted and objsubid = 2
      and database = (select oid from pg_database where datname = current_database())
      and classid = (select oid from pg_namespace where nspname = current_schema())
  );

-- name: read_backends
-- Those of these server processes that still run. $1: their ids, a JSON array.
select pid from pg_stat_activity
where pid in (select value::integer from json_array_elements_text($1::text::json));

-- name: read_settings
-- Settings of this session, in their base units.
-- $1 JSON array of names
select name, setting from pg_settings where name in (select json_array_elements_text($1::text::json));

-- name: read_server
-- Version, encoding of the database, synchronous_commit, and the time in milliseconds since 1970.
select
  current_setting('server_version') as version, current_setting('server_version_num')::integer as number,
  current_setting('server_encoding') as encoding, current_setting('fsync') as fsync, current_setting('full_page_writes') as "fullPageWrites",
  current_setting('synchronous_commit') as "synchronousCommit",
  round(extract(epoch from clock_timestamp()) * 1000)::bigint as "atMs";
