-- Books the order lines of movements just booked, and counts those that were there already.
-- $1 shard   $2 seq before the first movement   $3 seq of the last one
with sold as (
  select * from movements where shard = $1 and seq > $2 and seq <= $3 and kind = 'deduct'
), accepted as (
  insert into order_lines (
    shard, order_id, sku, user_id, amount, kind, state, fingerprint, new_stock, seq, line, accepted_at
  )
  select
    shard, order_id, sku, user_id, -delta, kind, 'accepted', fingerprint, available_after, seq, line, occurred_at
  from sold
  order by seq, line -- of two lines with one key the first stays
  on conflict do nothing
  returning 1
)
select (select count(*) from sold) - (select count(*) from accepted) as returned;
