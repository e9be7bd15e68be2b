-- Takes a lock if it is free; ends with the session. A session that has it gets it once more: never ask twice.
-- $1 key: a shard, or a worker's place below 0   The first key is the schema's own oid: two namespaces of a database
-- can never have the same one, which no hash of their names could promise.
select pg_try_advisory_lock((select oid::integer from pg_namespace where nspname = current_schema()), $1::integer) as locked;
