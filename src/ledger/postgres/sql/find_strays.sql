-- Events just booked that go on with a line which is not there, or not in the state for it.
-- $1 shard   $2 seq before the first movement   $3 seq of the last one
-- Materialized for the reason in audit_stock.sql.
with followed as materialized (
  select shard, order_id, sku, seq, kind
  from movements
  where shard = $1 and seq > $2 and seq <= $3 and kind in ('confirm', 'cancel', 'expire', 'extend', 'return')
)
select m.seq
from followed m
left join order_lines o on o.shard = m.shard and o.order_id = m.order_id and o.sku = m.sku and o.seq < m.seq
group by m.seq
having not bool_and(coalesce(
  case m.kind
    when 'extend' then o.kind = 'reserve' and (o.settled_seq is null or o.settled_seq > m.seq)
    when 'return' then o.state = 'accepted' or (o.state = 'confirmed' and o.settled_seq < m.seq)
    else o.settled_seq = m.seq
  end,
  false
))
order by m.seq;
