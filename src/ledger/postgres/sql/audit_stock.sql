-- Adds the movements just booked to the stock, and audits them: every SKU must come out as the store left it
-- after the SKU's last event. Returns the SKUs that do not, or that would fall below zero; they are not written,
-- and the caller must roll everything back.
-- $1 shard   $2 seq before the first movement   $3 seq of the last one
-- Materialized, and joined by the whole key: told that the shard is the same in both, a planner without statistics
-- reads all stock of the shard for every SKU, and 200 SKUs took 9 ms instead of 2.
with booked as materialized ( -- sums and last figures in one pass: as two to be joined they took the square of the SKUs
  select
    shard, sku, sum(delta)::bigint as delta, sum(reserved_delta)::bigint as reserved_delta,
    (array_agg(available_after order by seq desc, line desc))[1] as store_available,
    (array_agg(reserved_after order by seq desc, line desc))[1] as store_reserved
  from movements
  where shard = $1 and seq > $2 and seq <= $3
  group by shard, sku
), audited as materialized (
  select
    shard, sku, available + delta as available, reserved + reserved_delta as reserved, store_available,
    store_reserved,
    (available + delta, reserved + reserved_delta) = (store_available, store_reserved)
      and least(store_available, store_reserved) >= 0 as equal
  from booked join stock using (shard, sku)
), moved as (
  update stock set available = audited.available, reserved = audited.reserved, updated_at = now()
  from audited where stock.shard = audited.shard and stock.sku = audited.sku and audited.equal
)
select
  sku, available, reserved, store_available as "storeAvailable", store_reserved as "storeReserved"
from audited where not equal order by sku;
