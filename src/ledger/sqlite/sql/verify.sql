-- Reads of a proof: see proof.ts.

-- name: page_dead_numbers
-- Numbers of dead letters, a page. ?1 shard   ?2 number before the page   ?3 rows
select distinct seq from dead_letters where shard = ?1 and seq > ?2 order by seq limit ?3

-- name: page_jumps
-- Numbers that were declared lost, a page. ?1 shard   ?2 number before the page   ?3 rows
select from_seq as "from", to_seq as "to" from log_jumps
where shard = ?1 and from_seq > ?2 order by from_seq limit ?3

-- name: verify_ends
-- A shard's cursor and the end of its movements, in one snapshot. ?1 shard
select seq, issued_epoch as "issuedEpoch", opening_seq as "openingSeq",
  coalesce((select m.seq from movements m where m.shard = c.shard order by m.seq desc limit 1), 0) as last
from log_cursor c where shard = ?1

-- name: verify_movements
-- Movements of a shard in order, a page, with the columns that a proof follows.
-- ?1 shard   ?2, ?3 seq and line before the page   ?4 last number to read   ?5 rows
select
  seq, line, epoch, kind, sku, delta, reserved_delta as "reservedDelta", available_after as available,
  reserved_after as reserved,
  case when kind in (
    'reserve', 'extend', 'confirm', 'cancel', 'expire', 'prepare', 'commit', 'abort', 'adjust', 'create'
  ) then order_id end as "orderId",
  case when kind in ('reserve', 'extend') then data ->> 'expires' end as expires,
  data -> 'policy' as policy
from movements
where shard = ?1 and (seq, line) > (?2, ?3) and seq <= ?4
order by seq, line limit ?5

-- name: verify_stock
-- Stock as it was after a number, a page by SKU: the current rows without later movements.
-- ?1 shard   ?2 SKU before the page   ?3 rows   ?4, ?5 movements after this seq and line are excluded
with later as materialized (
  select sku, sum(delta) as delta, sum(reserved_delta) as reserved_delta, max(data -> 'policy' is not null) as ruled
  from movements where shard = ?1 and (seq, line) > (?4, ?5) group by sku
)
select s.sku, s.available - coalesce(l.delta, 0) as available, s.reserved - coalesce(l.reserved_delta, 0) as reserved,
  s.policy as policy, coalesce(l.ruled, 0) as "isRuledLater:boolean", l.sku is not null as "isMovedLater:boolean"
from (select * from stock where shard = ?1 and sku > ?2 order by sku limit ?3) s
left join later l on l.sku = s.sku
order by s.sku

-- name: verify_holds
-- Lines that are held, a page by number. ?1 shard   ?2, ?3 seq and line before the page   ?4 rows
select seq, line, order_id as "orderId", sku, units,
  coalesce(cast(round(unixepoch(expires_at, 'subsec') * 1000) as integer), 0) as expires
from order_lines indexed by order_lines_held where shard = ?1 and state = 'held' and (seq, line) > (?2, ?3)
order by seq, line limit ?4

-- name: verify_compensations
-- Compensations, a page by number. Lines that were prepared a second time are among the holds, and an abort ends them.
-- ?1 shard   ?2, ?3 seq and SKU before the page   ?4 rows
select seq, sku, amount, done_at is not null as "isDone:boolean" from compensations c
where shard = ?1 and (seq, sku) > (?2, ?3) and not exists (
  select 1 from movements m where m.shard = c.shard and m.seq = c.seq and m.sku = c.sku and m.kind = 'prepare'
)
order by seq, sku limit ?4

-- name: verify_lines
-- Movements of orders whose order line is missing or differs, out of a page of movements.
-- ?1 shard   ?2 seq before the first movement   ?3 seq of the last one   ?4 retention of order lines, milliseconds
-- A line may be missing when it was old enough to be deleted, by both clocks as in forget_lines; when its event is in
-- dead_letters; and when it was sold a second time, which is in compensations.
with page as materialized (
  select seq, line, kind, order_id, user_id, sku, delta, reserved_delta, available_after, data, occurred_at
  from movements
  where shard = ?1 and seq > ?2 and seq <= ?3
    and kind in ('deduct', 'order', 'reserve', 'confirm', 'cancel', 'expire', 'extend', 'prepare', 'commit')
), newest (at) as materialized (
  select unixepoch(accepted_at, 'subsec') from order_lines where shard = ?1 order by seq desc, line desc limit 1
), bound (at) as materialized (
  select strftime(
    '%Y-%m-%d %H:%M:%f',
    min(unixepoch('now', 'subsec'), coalesce((select at from newest), unixepoch('now', 'subsec'))) - ?4 / 1000.0,
    'unixepoch'
  )
), compared as (
  select m.seq, m.line, m.kind, m.order_id as "orderId", m.sku,
    case
      when m.kind = 'prepare' and (o.seq is null or o.seq <> m.seq) then null -- aborted; else its commit says it
      when m.kind in ('deduct', 'order', 'reserve', 'prepare') then case
        when o.seq is null then case when m.occurred_at >= bound.at then 'its order line is missing' end
        when o.seq <> m.seq or o.line <> m.line then
          case when m.occurred_at >= bound.at and not exists (
            select 1 from compensations c where c.shard = ?1 and c.seq = m.seq and c.sku = m.sku
          ) then 'its order line belongs to number ' || o.seq end
        else nullif(concat_ws(', ',
          case when o.user_id <> m.user_id then 'user' end,
          case when o.amount <> -m.delta then 'amount ' || o.amount || ' instead of ' || -m.delta end,
          case when o.kind <> m.kind then 'kind' end,
          case when o.new_stock <> m.available_after then 'new_stock' end,
          case when o.accepted_at <> m.occurred_at then 'accepted_at' end,
          case when o.hold_ms is not (m.data ->> 'hold') then 'hold_ms' end
        ), '')
      end
      when m.kind = 'commit' then case
        when o.seq is null then case when m.occurred_at >= bound.at then 'its order line is missing' end
        when o.seq > m.seq then 'its order line belongs to number ' || o.seq
        else nullif(concat_ws(', ',
          case when o.kind <> 'prepare' or o.state <> 'accepted' then 'state ' || o.state || ' of kind ' || o.kind end,
          case when o.amount <> -m.reserved_delta then 'amount ' || o.amount || ' instead of ' || -m.reserved_delta end
        ), '')
      end
      when o.seq is null or o.seq > m.seq then null -- the sale says whether that is right
      when m.kind = 'extend' then
        case
          when o.expires_at < strftime('%Y-%m-%d %H:%M:%f', (m.data ->> 'expires') / 1000.0, 'unixepoch')
            then 'expires_at'
        end
      when o.settled_seq is not m.seq then
        'its order line was settled by number ' || coalesce(o.settled_seq, 'none')
      else nullif(concat_ws(', ',
        case when o.state <> case m.kind when 'confirm' then 'confirmed' when 'cancel' then 'cancelled' else 'expired' end
          then 'state ' || o.state end,
        case when o.settled_units <> -m.reserved_delta - m.delta then 'settled_units' end,
        case when o.settled_stock <> m.available_after then 'settled_stock' end
      ), '')
    end as wrong
  from page m cross join bound
  left join order_lines o on o.shard = ?1 and o.order_id = m.order_id and o.sku = m.sku
)
select seq, line, kind, "orderId", sku, wrong from compared
where wrong is not null and not exists (select 1 from dead_letters d where d.shard = ?1 and d.seq = compared.seq)
order by seq, line

-- name: verify_order_lines
-- Order lines of a page that no movement explains: without a sale, or with units other than those sold,
-- settled and returned; and the end of the page.
-- ?1 shard   ?2, ?3 seq and line before the page   ?4 rows
with page as materialized (
  select o.*, (
    select coalesce(sum(r.delta), 0) from movements r
    where r.shard = ?1 and r.order_id = o.order_id and r.sku = o.sku and r.kind = 'return' and r.seq > o.seq
      and not exists (select 1 from dead_letters d where d.shard = ?1 and d.seq = r.seq)
  ) as returned
  from order_lines o where o.shard = ?1 and (o.seq, o.line) > (?2, ?3) order by o.seq, o.line limit ?4
), judged as (
  select o.seq, o.line, o.order_id, o.sku,
    case
      when o.seq <= (select opening_seq from log_cursor where shard = ?1) then null -- its movements may be gone
      when m.seq is null or m.order_id <> o.order_id or m.sku <> o.sku
        or m.kind not in ('deduct', 'order', 'reserve', 'prepare') then 'no movement sold it'
      when o.state <> 'held' and o.kind = 'reserve' and not exists (
        select 1 from movements s
        where s.shard = ?1 and s.seq = o.settled_seq and s.order_id = o.order_id and s.sku = o.sku
          and s.kind in ('confirm', 'cancel', 'expire')
      ) then 'no movement settled it'
      when o.kind = 'prepare' and o.state not in ('held', 'accepted')
        or o.kind <> 'prepare' and (o.state = 'held') <> (o.kind = 'reserve' and o.settled_seq is null)
        or o.kind <> 'prepare' and (o.state = 'accepted') <> (o.kind <> 'reserve') then 'state ' || o.state || ' of kind ' || o.kind
      when o.units <> coalesce(o.settled_units, o.amount) - o.returned then
        'units ' || o.units || ' instead of ' || (coalesce(o.settled_units, o.amount) - o.returned)
    end as wrong
  from page o
  left join movements m on m.shard = ?1 and m.seq = o.seq and m.line = o.line
), last as (
  select seq, line, count(*) over () as read from page order by seq desc, line desc limit 1
)
select
  last.seq as "lastSeq", last.line as "lastLine", last.read, judged.seq, judged.line, judged.order_id as "orderId",
  judged.sku, judged.wrong
from last left join judged on judged.wrong is not null
order by judged.seq, judged.line
