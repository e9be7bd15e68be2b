-- Stock as it was after a number, a page by SKU: the rows of now without what was booked later.
-- $1 shard   $2 SKU before the page   $3 rows   $4, $5 seq and line after which movements are left out
with later as materialized (
  select sku, sum(delta)::bigint as delta, sum(reserved_delta)::bigint as reserved_delta,
    bool_or(data->'policy' is not null) as ruled
  from movements where shard = $1 and (seq, line) > ($4, $5) group by sku
)
select s.sku, s.available - coalesce(l.delta, 0) as available, s.reserved - coalesce(l.reserved_delta, 0) as reserved,
  s.policy::text as policy, coalesce(l.ruled, false) as "isRuledLater", l.sku is not null as "isMovedLater"
from (select * from stock where shard = $1 and sku > $2 order by sku limit $3) s
left join later l using (sku)
order by s.sku;
