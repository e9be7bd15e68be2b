-- The ledger: movements, order lines, stock, cursors, dead letters. Tables and columns are named as in PostgreSQL.
--
-- Times are texts in UTC, 'YYYY-MM-DD HH:MM:SS.SSS': they compare as texts and every tool shows them. Texts compare by
-- bytes. Every table is STRICT, so that a value of the wrong type is refused.

create table deployment (
  only_row integer primary key check (only_row = 1),
  id text not null,
  shards integer not null check (shards > 0),
  namespace text not null,
  created_at text not null default (strftime('%Y-%m-%d %H:%M:%f', 'now'))
) strict;

create table log_cursor (
  shard integer primary key check (shard >= 0),
  epoch integer not null default 0,
  seq integer not null default 0,
  issued_epoch integer not null default 0, -- issued last, by compare-and-set; the log may hold entries of older ones
  noted_head integer not null default 0, -- highest number that the worker saw in the store
  seen_booked integer not null default 0, -- highest number that a store said is booked
  seen_epoch integer not null default 0, -- highest epoch that a store said it was armed under
  check (issued_epoch >= epoch)
) strict;

-- One change of one SKU; the sum of delta of a SKU is its available.
-- Clustered by number: a batch is appended to the last page.
create table movements (
  shard integer not null,
  epoch integer not null,
  seq integer not null,
  line integer not null, -- place in its event, from 0; a correction stands behind number seq, from line 1000
  kind text not null,
  order_id text not null, -- order id, or adjustment id
  user_id text not null,
  sku text not null,
  delta integer not null,
  reserved_delta integer not null,
  available_after integer not null,
  reserved_after integer not null,
  reason text not null,
  reference text not null, -- document that a stock keeper named; the return id of a return; what a correction is about
  actor text not null,
  traceparent text not null,
  data text, -- JSON: what only this kind has: when a hold lapses, the rules of a sale
  occurred_at text not null,
  recorded_at text not null default (strftime('%Y-%m-%d %H:%M:%f', 'now')),
  primary key (shard, seq, line)
) strict, without rowid;

-- Adjustments and returns are remembered lines too, but have no row in order_lines: a rebuild pages them from here.
create index movements_remembered on movements (shard, seq, line)
  where kind in ('adjust', 'create', 'set', 'return');
create index movements_remembered_by_time on movements (shard, occurred_at)
  where kind in ('adjust', 'create', 'set', 'return');
-- A return is looked up by its order: to prove the units of a line, and to know a return that was made before.
create index movements_returned on movements (shard, order_id, sku) where kind = 'return';
-- An adjustment is looked up by its id: to know one that is sent again after the idempotency window.
create index movements_adjusted on movements (shard, order_id, sku) where kind in ('adjust', 'create', 'set');

create trigger movements_only_grow_update before update on movements begin
  select raise(abort, 'Cannot update movements as they only grow: book a correction instead');
end;
create trigger movements_only_grow_delete before delete on movements begin
  select raise(abort, 'Cannot delete movements as they only grow: book a correction instead');
end;

-- One accepted line of an order. Clustered by number, so that a batch is appended to the last page; only the index of
-- order ids is written at random places.
create table order_lines (
  shard integer not null,
  order_id text not null,
  sku text not null,
  user_id text not null,
  amount integer not null check (amount > 0),
  kind text not null,
  state text not null check (state in ('accepted', 'held', 'confirmed', 'cancelled', 'expired')),
  units integer not null check (units between 0 and amount), -- still sold or held
  has_quota integer not null check (has_quota in (0, 1)), -- its SKU had a quota when it was booked
  new_stock integer not null, -- available units right after it: the first answer, given again to a repeat
  seq integer not null,
  line integer not null,
  accepted_at text not null,
  -- Of reservations only.
  hold_ms integer, -- how long it was made for
  expires_at text, -- when it lapses or lapsed
  settled_seq integer, -- number of the event that confirmed, cancelled or expired it
  settled_units integer, -- units confirmed by it
  settled_stock integer, -- available units right after it
  primary key (shard, seq, line)
) strict, without rowid;

create unique index order_lines_by_order on order_lines (shard, order_id, sku);
-- Finds where a time window starts.
create index order_lines_by_time on order_lines (shard, accepted_at);
-- A rebuild wants every open hold, however old.
create index order_lines_held on order_lines (shard, seq, line) where state = 'held';
-- A rebuild counts what each user bought of SKUs with a quota, in pages.
create index order_lines_with_quota on order_lines (shard, sku, seq, line) where has_quota = 1;

-- One SKU now; a SKU lives in exactly one shard.
create table stock (
  shard integer not null,
  sku text not null,
  available integer not null check (available >= 0),
  reserved integer not null check (reserved >= 0),
  policy text, -- JSON: the rules of its sale; null when it has none
  updated_at text not null default (strftime('%Y-%m-%d %H:%M:%f', 'now')),
  primary key (shard, sku)
) strict, without rowid;
create index stock_with_policy on stock (shard, sku) where policy is not null;

-- One event that the ledger could not take as it came, and why; its movement is booked all the same.
create table dead_letters (
  id integer primary key autoincrement,
  shard integer not null,
  seq integer not null,
  event text not null, -- JSON
  sqlstate text not null,
  reason text not null,
  created_at text not null default (strftime('%Y-%m-%d %H:%M:%f', 'now')),
  closed_at text, -- when a person decided what becomes of it; null while it waits
  closed_by text,
  decision text
) strict;
create index dead_letters_by_number on dead_letters (shard, seq);

-- Units sold a second time to a line that came back after the idempotency window: given back by an adjustment whose id
-- is made from shard and seq.
create table compensations (
  shard integer not null,
  seq integer not null,
  sku text not null,
  amount integer not null check (amount > 0),
  created_at text not null default (strftime('%Y-%m-%d %H:%M:%f', 'now')),
  done_at text,
  primary key (shard, seq, sku)
) strict, without rowid;
create index compensations_open on compensations (shard, seq) where done_at is null;

-- Numbers after from_seq, up to to_seq, that a rebuild declared lost.
create table log_jumps (
  shard integer not null,
  from_seq integer not null,
  to_seq integer not null,
  epoch integer not null,
  count integer not null check (count = to_seq - from_seq),
  at text not null default (strftime('%Y-%m-%d %H:%M:%f', 'now')),
  actor text not null default '', -- who decided that the numbers are lost
  reason text not null default '', -- why, for people
  primary key (shard, from_seq)
) strict, without rowid;

-- A person accepted that numbers are lost: the worker of the shard goes on without them.
create table recoveries (
  id integer primary key autoincrement,
  shard integer not null,
  from_seq integer not null, -- last number booked when it was accepted
  to_seq integer not null check (to_seq >= from_seq), -- last number lost
  source text not null check (source in ('store', 'ledger')), -- whose figures count
  actor text not null,
  reason text not null,
  requested_at text not null default (strftime('%Y-%m-%d %H:%M:%f', 'now')),
  done_at text
) strict;
create index recoveries_open on recoveries (shard, id) where done_at is null;

-- Texts of the deciding script, one a version: at most 8.
create table scripts (
  digest text primary key check (length(digest) = 40 and digest not glob '*[^0-9a-f]*'), -- SHA-1 of the text
  source text not null constraint scripts_source_check check (octet_length(source) <= 262144),
  used_at text not null default (strftime('%Y-%m-%d %H:%M:%f', 'now'))
) strict;
