-- Adds the movements just booked to the stock, and audits them: every SKU must come out as the store left it
-- after the SKU's last event. Returns the SKUs that do not, or that would fall below zero; they are not written,
-- and the caller must roll everything back.
-- $1 shard   $2 seq before the first movement   $3 seq of the last one
with booked as (
  select * from movements where shard = $1 and seq > $2 and seq <= $3
), sums as (
  select sku, sum(delta)::bigint as delta, sum(reserved_delta)::bigint as reserved_delta from booked group by sku
), store as (
  select distinct on (sku) sku, available_after as available, reserved_after as reserved
  from booked order by sku, seq desc, line desc
), audited as materialized (
  select
    sku, stock.available + sums.delta as available, stock.reserved + sums.reserved_delta as reserved,
    store.available as store_available, store.reserved as store_reserved,
    (stock.available + sums.delta, stock.reserved + sums.reserved_delta) = (store.available, store.reserved)
      and least(store.available, store.reserved) >= 0 as equal
  from sums join store using (sku) join stock using (sku)
  where stock.shard = $1
), moved as (
  update stock set available = audited.available, reserved = audited.reserved, updated_at = now()
  from audited where stock.shard = $1 and stock.sku = audited.sku and audited.equal
)
select
  sku, available, reserved, store_available as "storeAvailable", store_reserved as "storeReserved"
from audited where not equal order by sku;
