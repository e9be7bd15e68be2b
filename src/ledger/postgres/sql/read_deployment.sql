-- Whose books these are.
select id::text as id, shards from deployment;
