-- Remembered lines by number, a page: order lines, and adjustments out of the movements.
-- $1 shard   $2, $3 seq and line before the page   $4 accepted since, milliseconds since 1970   $5 rows
(
  select
    order_id as id, sku, user_id as "userId", amount, kind, fingerprint, new_stock as "newStock", seq, line,
    round(extract(epoch from accepted_at) * 1000)::bigint as "atMs"
  from order_lines
  where shard = $1 and (seq, line) > ($2, $3) and accepted_at >= to_timestamp($4::bigint / 1000.0)
  order by seq, line limit $5
) union all (
  select
    order_id, sku, user_id, delta, kind, fingerprint, available_after, seq, line,
    round(extract(epoch from occurred_at) * 1000)::bigint
  from movements
  where shard = $1 and (seq, line) > ($2, $3) and kind in ('adjust', 'create')
    and occurred_at >= to_timestamp($4::bigint / 1000.0)
  order by seq, line limit $5
)
order by seq, line limit $5;
