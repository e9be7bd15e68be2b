-- Opens the SKUs of movements just booked that are new, at zero: inserting the delta itself would break the CHECK.
-- $1 shard   $2 seq before the first movement   $3 seq of the last one
insert into stock (shard, sku, available, reserved)
select distinct m.shard, m.sku, 0, 0
from movements m
where m.shard = $1 and m.seq > $2 and m.seq <= $3
  and not exists (select from stock s where s.shard = m.shard and s.sku = m.sku)
on conflict do nothing;
