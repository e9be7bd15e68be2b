-- What users have bought of SKUs with a quota within their windows: the units still sold or held of a page of lines,
-- summed up by user and SKU. A user and SKU may come again in the next page. Every row says how many lines the page has
-- and which is its last.
-- $1 shard   $2, $3, $4 SKU, seq and line before the page, '' = from the start   $5 lines
-- Lines before a SKU's window are not read: months of sales under older windows took longer than a statement may. The
-- row of seq and line is compared as one, so that a page of a SKU starts where the one before ended.
with page as materialized (
  select s.sku, s.sale, o.user_id, o.units, o.seq, o.line
  from (
    select sku, coalesce((policy->>'sale')::bigint, 0) as sale from stock
    where shard = $1 and policy is not null and policy->'quota' is not null and sku >= $2
    order by sku
  ) s
  cross join lateral (
    select user_id, units, seq, line from order_lines
    where shard = $1 and sku = s.sku and has_quota
      and (seq, line) > (case when s.sku = $2 then $3::bigint else s.sale end,
        case when s.sku = $2 then $4::integer else 2147483647 end)
    order by seq, line limit $5
  ) o
  order by s.sku, o.seq, o.line limit $5
), last as (
  select count(*) over () as lines, sku, seq, line from page order by sku desc, seq desc, line desc limit 1
)
select
  p.user_id as "userId", p.sku, sum(p.units)::bigint as units, p.sale,
  l.lines, l.sku as "lastSku", l.seq as "lastSeq", l.line as "lastLine"
from page p cross join last l
group by p.user_id, p.sku, p.sale, l.lines, l.sku, l.seq, l.line;
