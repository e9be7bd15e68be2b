-- A rebuild reads the lines of a SKU's quota from where its window begins, and no line of an older window.
drop index order_lines_with_quota;
create index order_lines_with_quota on order_lines (shard, sku, seq, line) where has_quota;

-- Where the remembered adjustments and returns of a time window start. Sales are no part of it.
create index movements_remembered_by_time on movements (shard, occurred_at)
  where kind in ('adjust', 'create', 'set', 'return');
