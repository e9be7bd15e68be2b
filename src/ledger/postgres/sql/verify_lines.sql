-- Movements of orders whose order line is missing or says something else, out of a page of movements.
-- $1 shard   $2 seq before the first movement   $3 seq of the last one   $4 order lines are kept this long, milliseconds
-- A line may be missing when it was old enough to be deleted, by both clocks as in forget_lines.sql; when its event
-- waits in dead_letters; and when it was sold a second time, which compensations knows.
with page as materialized (
  select seq, line, kind, order_id, user_id, sku, delta, reserved_delta, available_after, data, occurred_at
  from movements
  where shard = $1 and seq > $2 and seq <= $3
    and kind in ('deduct', 'order', 'reserve', 'confirm', 'cancel', 'expire', 'extend')
), newest as materialized (
  select accepted_at from order_lines where shard = $1 order by seq desc, line desc limit 1
), bound as materialized (
  select coalesce(least(now(), (select accepted_at from newest)), now()) - make_interval(secs => $4::bigint / 1000.0) as at
), compared as (
  select m.seq, m.line, m.kind, m.order_id as "orderId", m.sku,
    case
      when m.kind in ('deduct', 'order', 'reserve') then case
        when o.seq is null then case when m.occurred_at >= bound.at then 'its order line is missing' end
        when o.seq <> m.seq or o.line <> m.line then
          case when m.occurred_at >= bound.at and not exists (
            select from compensations c where c.shard = $1 and c.seq = m.seq and c.sku = m.sku
          ) then 'its order line belongs to number ' || o.seq end
        else nullif(concat_ws(', ',
          case when o.user_id <> m.user_id then 'user' end,
          case when o.amount <> -m.delta then 'amount ' || o.amount || ' instead of ' || -m.delta end,
          case when o.kind <> m.kind then 'kind' end,
          case when o.new_stock <> m.available_after then 'new_stock' end,
          case when o.accepted_at <> m.occurred_at then 'accepted_at' end,
          case when o.hold_ms is distinct from (m.data->>'hold')::bigint then 'hold_ms' end
        ), '')
      end
      when o.seq is null or o.seq > m.seq then null -- the sale says whether that is right
      when m.kind = 'extend' then
        case when o.expires_at < to_timestamp((m.data->>'expires')::bigint / 1000.0) then 'expires_at' end
      when o.settled_seq is distinct from m.seq then
        'its order line was settled by number ' || coalesce(o.settled_seq::text, 'none')
      else nullif(concat_ws(', ',
        case when o.state <> case m.kind when 'confirm' then 'confirmed' when 'cancel' then 'cancelled' else 'expired' end
          then 'state ' || o.state end,
        case when o.settled_units <> -m.reserved_delta - m.delta then 'settled_units' end,
        case when o.settled_stock <> m.available_after then 'settled_stock' end
      ), '')
    end as wrong
  from page m cross join bound
  left join order_lines o on o.shard = $1 and o.order_id = m.order_id and o.sku = m.sku
)
select seq, line, kind, "orderId", sku, wrong from compared
where wrong is not null and not exists (select from dead_letters d where d.shard = $1 and d.seq = compared.seq)
order by seq, line;
