-- Lets one process at a time make or upgrade the schema; held to the end of the transaction.
-- $1 namespace   One bigint key: apart from the leases, which use pairs of integers.
select pg_advisory_xact_lock(hashtextextended('holdfast:migrate:' || $1::text, 0));
