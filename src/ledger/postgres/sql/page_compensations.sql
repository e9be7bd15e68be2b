-- What is still to be given back, oldest first, a page; with the sale that counts of the same line: how many of its units
-- were still sold when the second one was booked, and how many came back since then.
-- $1 shard   $2, $3 seq and SKU before the page   $4 rows
-- A return that was set aside took nothing off the line.
select
  c.seq, c.sku, c.amount, m.order_id as "orderId", back.units as "returnedUnits",
  coalesce(o.units, 0) + back.applied as "soldUnits"
from compensations c
join movements m on m.shard = c.shard and m.seq = c.seq and m.sku = c.sku and m.kind <> 'correction'
left join order_lines o on o.shard = c.shard and o.order_id = m.order_id and o.sku = c.sku and o.seq <> c.seq
cross join lateral (
  select
    coalesce(sum(r.delta), 0)::bigint as units,
    coalesce(sum(r.delta) filter (
      where not exists (select from dead_letters d where d.shard = r.shard and d.seq = r.seq)
    ), 0)::bigint as applied
  from movements r
  where r.shard = c.shard and r.order_id = m.order_id and r.sku = c.sku and r.kind = 'return' and r.seq > c.seq
) back
where c.shard = $1 and c.done_at is null and (c.seq, c.sku) > ($2, $3)
order by c.seq, c.sku limit $4;
