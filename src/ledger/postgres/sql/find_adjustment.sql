-- The first change of a SKU under an adjustment id, and how far the ledger of the shard is: one row, without a change
-- when there is none. $1 shard   $2 adjustment id   $3 SKU
select
  c.seq as "appliedSeq", m.kind, m.delta as amount, m.available_after as "newStock", m.seq
from log_cursor c
left join movements m
  on m.shard = c.shard and m.order_id = $2 and m.sku = $3 and m.kind in ('adjust', 'create', 'set')
where c.shard = $1
order by m.seq limit 1;
