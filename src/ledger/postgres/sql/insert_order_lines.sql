-- Books the order lines of movements just booked, and counts those that were there already.
-- $1 shard   $2 seq before the first movement   $3 seq of the last one
-- Whether a line counts for a quota goes by the SKU's rules after the batch: what was sold in it before a window
-- began has a lower number than the window, and is passed over when the lines are counted.
with sold as (
  select * from movements where shard = $1 and seq > $2 and seq <= $3 and kind in ('deduct', 'order', 'reserve')
), limited as materialized (
  select sku from stock where shard = $1 and policy is not null and policy->'quota' is not null
), accepted as (
  insert into order_lines (
    shard, order_id, sku, user_id, amount, kind, state, units, has_quota, fingerprint, new_stock, seq, line,
    accepted_at, hold_ms, expires_at
  )
  select
    shard, order_id, sku, user_id, -delta, kind, case kind when 'reserve' then 'held' else 'accepted' end, -delta,
    sku in (select sku from limited), '', available_after, seq, line, occurred_at,
    (data->>'hold')::bigint, to_timestamp((data->>'expires')::bigint / 1000.0)
  from sold
  order by seq, line -- of two lines with one key the first stays
  on conflict do nothing
  returning 1
)
select (select count(*) from sold) - (select count(*) from accepted) as returned;
