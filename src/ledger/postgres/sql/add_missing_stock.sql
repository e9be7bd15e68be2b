-- Opens the SKUs of movements just booked that are new, at zero: inserting the delta itself would break the CHECK.
-- $1 shard   $2 seq before the first movement   $3 seq of the last one
-- No "where not exists": the planner expects one new movement, joins row by row, and 2000 sales of 200 SKUs took
-- 37 ms instead of 2.
insert into stock (shard, sku, available, reserved)
select distinct shard, sku, 0, 0 from movements where shard = $1 and seq > $2 and seq <= $3
on conflict do nothing;
