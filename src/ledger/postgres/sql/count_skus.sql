-- How many SKUs a shard has.
-- $1 shard
select count(*) as skus from stock where shard = $1;
