-- Remembered lines by number, a page: order lines, and adjustments out of the movements.
-- $1 shard   $2, $3 seq and line before the page   $4 accepted since, milliseconds since 1970   $5 rows
-- The time is compared as a number, which no index serves: with the index of times at hand the planner read and
-- sorted the rest of the window for every page, 40 ms instead of 2.
(
  select
    order_id as id, sku, user_id as "userId", amount, kind, fingerprint, new_stock as "newStock", seq, line,
    round(extract(epoch from accepted_at) * 1000)::bigint as "atMs"
  from order_lines
  where shard = $1 and (seq, line) > ($2, $3) and round(extract(epoch from accepted_at) * 1000) >= $4::bigint
  order by seq, line limit $5
) union all (
  select
    order_id, sku, user_id, delta, kind, fingerprint, available_after, seq, line,
    round(extract(epoch from occurred_at) * 1000)::bigint
  from movements
  where shard = $1 and (seq, line) > ($2, $3) and kind in ('adjust', 'create')
    and round(extract(epoch from occurred_at) * 1000) >= $4::bigint
  order by seq, line limit $5
)
order by seq, line limit $5;
