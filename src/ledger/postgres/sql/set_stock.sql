-- Gives SKUs the figures of their corrections; a SKU that is new is opened.
-- $1 shard   $2 JSON array as in insert_corrections.sql
insert into stock (shard, sku, available, reserved)
select $1::integer, c.sku, c.available, c.reserved
from json_to_recordset($2::text::json) as c (sku text, available bigint, reserved bigint)
on conflict (shard, sku) do update
set available = excluded.available, reserved = excluded.reserved, updated_at = now();
