-- Order lines of a page that no movement explains: without a sale of their own, or with other units than were sold, settled
-- and returned; and where the page ends.
-- $1 shard   $2, $3 seq and line before the page   $4 rows
with page as materialized (
  select * from order_lines where shard = $1 and (seq, line) > ($2, $3) order by seq, line limit $4
), judged as (
  select o.seq, o.line, o.order_id, o.sku,
    case
      when m.seq is null or m.order_id <> o.order_id or m.sku <> o.sku
        or m.kind not in ('deduct', 'order', 'reserve') then 'no movement sold it'
      when o.state <> 'held' and o.kind = 'reserve' and not exists (
        select from movements s
        where s.shard = $1 and s.seq = o.settled_seq and s.order_id = o.order_id and s.sku = o.sku
          and s.kind in ('confirm', 'cancel', 'expire')
      ) then 'no movement settled it'
      when (o.state = 'held') <> (o.kind = 'reserve' and o.settled_seq is null)
        or (o.state = 'accepted') <> (o.kind <> 'reserve') then 'state ' || o.state || ' of kind ' || o.kind
      when o.units <> coalesce(o.settled_units, o.amount) - returned.units then
        'units ' || o.units || ' instead of ' || coalesce(o.settled_units, o.amount) - returned.units
    end as wrong
  from page o
  left join movements m on m.shard = $1 and m.seq = o.seq and m.line = o.line
  cross join lateral (
    select coalesce(sum(r.delta), 0) as units from movements r
    where r.shard = $1 and r.order_id = o.order_id and r.sku = o.sku and r.kind = 'return' and r.seq > o.seq
      and not exists (select from dead_letters d where d.shard = $1 and d.seq = r.seq)
  ) returned
), last as (
  select seq, line, count(*) over () as read from page order by seq desc, line desc limit 1
)
select
  last.seq as "lastSeq", last.line as "lastLine", last.read, judged.seq, judged.line, judged.order_id as "orderId",
  judged.sku, judged.wrong
from last left join judged on judged.wrong is not null
order by judged.seq, judged.line;
