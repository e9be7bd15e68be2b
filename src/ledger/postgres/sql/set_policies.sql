-- Gives SKUs the rules that the last of the movements just booked says; no rules at all become null.
-- $1 shard   $2 seq before the first movement   $3 seq of the last one
update stock s
set policy = nullif(m.policy::text, '{}')::json
from (
  select distinct on (sku) sku, data->'policy' as policy
  from movements where shard = $1 and seq > $2 and seq <= $3 and data->'policy' is not null
  order by sku, seq desc, line desc
) m
where s.shard = $1 and s.sku = m.sku;
