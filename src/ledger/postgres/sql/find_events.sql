-- What the ledger has of some numbers, to compare with a log that is read again. Corrections have no event.
-- $1 shard   $2 first number   $3 last number
select
  seq, kind, order_id as id, user_id as "userId", round(extract(epoch from occurred_at) * 1000)::bigint as "atMs",
  sku, delta, reserved_delta as "reservedDelta", available_after as available, reserved_after as reserved
from movements
where shard = $1 and seq between $2::bigint and $3::bigint and line < 1000
order by seq, line;
