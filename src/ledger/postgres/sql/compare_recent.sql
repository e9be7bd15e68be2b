-- Names of what a store must remember, a page by number: lines of orders, adjustments and returns since a moment.
-- $1 shard   $2, $3 seq and line before the page   $4 accepted since, milliseconds since 1970   $5 rows
(
  select order_id as id, '' as "returnId", kind, sku, seq, line from order_lines
  where shard = $1 and (seq, line) > ($2, $3)
    and round(extract(epoch from accepted_at) * 1000) >= $4::bigint
  order by seq, line limit $5
) union all (
  select order_id, case kind when 'return' then reference else '' end, kind, sku, seq, line from movements
  where shard = $1 and (seq, line) > ($2, $3) and kind in ('adjust', 'create', 'set', 'return')
    and round(extract(epoch from occurred_at) * 1000) >= $4::bigint
  order by seq, line limit $5
)
order by seq, line limit $5;
