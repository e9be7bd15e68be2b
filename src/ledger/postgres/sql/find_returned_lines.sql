-- Events of which a line was accepted before, under another number; `same` = that was the same command: its kind, its
-- user, its SKUs and its amounts, all of them under one number and nothing else under it. Every line sold has a row in
-- order_lines by now: its own, or that of the first time.
-- $1 shard   $2 seq before the first movement   $3 seq of the last one
with returned as (
  select
    m.seq, m.order_id, min(o.seq) as first_seq, count(*) as lines,
    count(distinct o.seq) = 1 and bool_and(
      o.seq <> m.seq and o.kind = m.kind and o.user_id = m.user_id and o.amount = -m.delta
    ) as same
  from movements m
  join order_lines o on o.shard = m.shard and o.order_id = m.order_id and o.sku = m.sku
  where m.shard = $1 and m.seq > $2 and m.seq <= $3 and m.kind in ('deduct', 'order', 'reserve')
  group by m.seq, m.order_id
  having bool_or((o.seq, o.line) <> (m.seq, m.line))
)
select r.seq, r.same and r.lines = (
  select count(*) from order_lines o where o.shard = $1 and o.order_id = r.order_id and o.seq = r.first_seq
) as same
from returned r
order by r.seq;
