-- The keys of try_lock.sql that are taken now, by whomever. pg_locks shows them as oids, which have no sign.
select (case when objid::bigint < 2147483648 then objid::bigint else objid::bigint - 4294967296 end)::integer as key
from pg_locks
where locktype = 'advisory' and granted and objsubid = 2
  and database = (select oid from pg_database where datname = current_database())
  and classid = (select oid from pg_namespace where nspname = current_schema());
