-- Events of which a line was accepted before, under another number; `same` = with the same contents, all of them.
-- $1 shard   $2 seq before the first movement   $3 seq of the last one
select m.seq, bool_and(m.fingerprint = o.fingerprint) as same
from movements m
join order_lines o on o.shard = m.shard and o.order_id = m.order_id and o.sku = m.sku
where m.shard = $1 and m.seq > $2 and m.seq <= $3 and m.kind = 'deduct' and (o.seq, o.line) <> (m.seq, m.line)
group by m.seq
order by m.seq;
