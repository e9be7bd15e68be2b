-- What movements behind a place add up to, by SKU.
-- $1 shard   $2, $3 seq and line of the place
select sku, sum(delta)::bigint as available, sum(reserved_delta)::bigint as reserved
from movements where shard = $1 and (seq, line) > ($2, $3) group by sku;
