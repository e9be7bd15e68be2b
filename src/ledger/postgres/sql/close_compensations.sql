-- Closes compensations whose adjustment is among these movements: in the transaction that books it, so that units are
-- given back once even when the worker dies before it hears the store's answer.
-- $1 shard   $2 seq before the first movement   $3 seq of the last one
-- The kinds are those of the index movements_remembered, in which adjustments are found.
update compensations c set done_at = now()
from movements m
where c.shard = $1 and c.done_at is null
  and m.shard = c.shard and m.seq > greatest(c.seq, $2::bigint) and m.seq <= $3::bigint
  and m.kind in ('adjust', 'create', 'set', 'return') and m.kind in ('adjust', 'create')
  and m.order_id = chr(2) || 'returned-' || c.shard || '-' || c.seq and m.sku = c.sku;
