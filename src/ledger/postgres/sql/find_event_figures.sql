-- The SKUs of an event with their figures now, and what the event took.
-- $1 shard   $2 seq
select m.kind, m.sku, s.available, s.reserved, -m.delta as taken
from movements m join stock s on s.shard = m.shard and s.sku = m.sku
where m.shard = $1 and m.seq = $2 and m.kind <> 'correction'
order by m.line;
