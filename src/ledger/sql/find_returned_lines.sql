-- Events of which a line was accepted before, under another number; `same` = all of its lines were, with the same
-- contents. Every line sold has a row in order_lines by now: its own, or that of the first time.
-- $1 shard   $2 seq before the first movement   $3 seq of the last one
select m.seq, bool_and((o.seq, o.line) <> (m.seq, m.line) and m.fingerprint = o.fingerprint) as same
from movements m
join order_lines o on o.shard = m.shard and o.order_id = m.order_id and o.sku = m.sku
where m.shard = $1 and m.seq > $2 and m.seq <= $3 and m.kind in ('deduct', 'order', 'reserve')
group by m.seq
having bool_or((o.seq, o.line) <> (m.seq, m.line))
order by m.seq;
