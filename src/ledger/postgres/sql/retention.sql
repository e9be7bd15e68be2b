-- Deletion of old order lines.

-- name: forget_lines
-- Deletes order lines that are too old, out of one page; returns how many, and the start of the next page
-- (no row when the page was empty or had only young lines at its end: no old lines are left).
-- $1 shard   $2, $3 seq and line before the page   $4 how old is too old, milliseconds   $5 rows
-- Two clocks must agree that a line is old, this server's and the store's, which dated the newest line: neither alone,
-- set wrongly for an hour, deletes young lines. Never deleted: held lines, and lines that count for a quota.
with page as materialized (
  select order_id, sku, seq, line, accepted_at, state, has_quota from order_lines
  where shard = $1 and (seq, line) > ($2, $3)
  order by seq, line limit $5
), newest as materialized (
  select accepted_at from order_lines where shard = $1 order by seq desc, line desc limit 1
), bound as materialized (
  select least(now(), accepted_at) - make_interval(secs => $4::bigint / 1000.0) as at from newest
), forgotten as (
  delete from order_lines o using page p, bound
  where o.shard = $1 and o.order_id = p.order_id and o.sku = p.sku
    and p.accepted_at < bound.at and p.state <> 'held'
    and not (p.has_quota and exists (
      select from stock s
      where s.shard = $1 and s.sku = p.sku and s.policy is not null and s.policy->'quota' is not null
        and p.seq > coalesce((s.policy->>'sale')::bigint, 0)
    ))
  returning 1
)
select (select count(*) from forgotten) as lines, p.seq, p.line
from (select seq, line, accepted_at from page order by seq desc, line desc limit 1) p, bound
where p.accepted_at < bound.at;
