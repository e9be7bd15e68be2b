-- Roles of Holdfast's ledger, with the least rights each. Run it once, as a superuser, in the ledger's database, before the
-- first worker; then give each role its password with \password. For another NAMESPACE put its name in place of
-- "inventory".

-- The worker makes the tables, upgrades them and writes them. It owns the schema and nothing else.
create role holdfast_worker login;
-- The API reads: orders past the idempotency window, and whose ledger this is. It writes decisions on baskets of several
-- shards: the worker grants that when it makes the table.
create role holdfast_api login;
-- Auditors and reports read all of it. Give their own roles this one: grant holdfast_auditor to <role>.
create role holdfast_auditor nologin;

create schema inventory authorization holdfast_worker;
grant usage on schema inventory to holdfast_api, holdfast_auditor;
-- For every table that the worker will make.
alter default privileges for role holdfast_worker in schema inventory grant select on tables to holdfast_api, holdfast_auditor;

-- No other role reads it or creates tables in "public". (PostgreSQL 14 let every role do so.)
revoke create on schema public from public;
