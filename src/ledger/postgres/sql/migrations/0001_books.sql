-- The books: movements, order lines, stock, cursors, dead letters. Names are unqualified: the schema is the
-- search_path. Ids compare by bytes (collate "C"), so pages come in one order on every server and in every locale.

create table deployment (
  only_row boolean primary key default true check (only_row),
  id uuid not null,
  shards integer not null check (shards > 0),
  created_at timestamptz not null default now()
);
comment on table deployment is 'whose books these are: one row';

create table log_cursor (
  shard integer primary key check (shard >= 0),
  epoch bigint not null default 0,
  seq bigint not null default 0,
  issued_epoch bigint not null default 0,
  noted_head bigint not null default 0,
  check (issued_epoch >= epoch)
);
comment on table log_cursor is 'how far a shard''s log has been applied';
comment on column log_cursor.issued_epoch is 'the epoch issued last, by compare-and-set; the log may still hold entries of older ones';
comment on column log_cursor.noted_head is 'highest number that the worker saw in the store: what a rebuild may have lost ends here';

create table movements (
  shard integer not null,
  epoch bigint not null,
  seq bigint not null,
  line integer not null,
  kind text not null,
  order_id text collate "C" not null,
  user_id text collate "C" not null,
  sku text collate "C" not null,
  delta bigint not null,
  reserved_delta bigint not null,
  available_after bigint not null,
  reserved_after bigint not null,
  fingerprint text not null,
  reason text not null,
  reference text not null,
  actor text not null,
  traceparent text not null,
  data json, -- json, not jsonb: it is read rarely and written always
  occurred_at timestamptz not null,
  recorded_at timestamptz not null default now(),
  primary key (shard, seq, line)
);
comment on table movements is 'one change of one SKU; the sum of delta of a SKU is its available';
comment on column movements.order_id is 'order id, or adjustment id';
comment on column movements.reference is 'document that a stock keeper named; the return id of a return';
comment on column movements.data is 'what only this kind has: when a hold lapses, the rules of a sale';

-- Adjustments and returns are remembered lines too, but have no row in order_lines: a rebuild pages them from here.
create index movements_remembered on movements (shard, seq, line)
  where kind in ('adjust', 'create', 'set', 'return');

create table order_lines (
  shard integer not null,
  order_id text collate "C" not null,
  sku text collate "C" not null,
  user_id text collate "C" not null,
  amount bigint not null check (amount > 0),
  kind text not null,
  state text not null check (state in ('accepted', 'held', 'confirmed', 'cancelled', 'expired')),
  units bigint not null check (units between 0 and amount),
  has_quota boolean not null,
  fingerprint text not null,
  new_stock bigint not null,
  seq bigint not null,
  line integer not null,
  accepted_at timestamptz not null,
  -- Of reservations only: null takes no room in the rows of plain sales.
  hold_ms bigint,
  expires_at timestamptz,
  settled_seq bigint,
  settled_fingerprint text,
  settled_units bigint,
  settled_stock bigint,
  primary key (shard, order_id, sku)
);
comment on table order_lines is 'one accepted line of an order';
comment on column order_lines.units is 'still sold or held: without what was cancelled, not confirmed, lapsed or returned';
comment on column order_lines.has_quota is 'its SKU had a quota when it was booked';
comment on column order_lines.new_stock is 'available units right after it: the first answer, given again to a repeat';
comment on column order_lines.hold_ms is 'a reservation: how long it was made for';
comment on column order_lines.expires_at is 'a reservation: when it lapses or lapsed';
comment on column order_lines.settled_seq is 'a reservation: number of the event that confirmed, cancelled or expired it';
comment on column order_lines.settled_units is 'units confirmed by it';
comment on column order_lines.settled_stock is 'available units right after it';

create index order_lines_by_number on order_lines (shard, seq, line);
-- Finds where a time window starts. Rows arrive almost in order of time, so a BRIN of a few kB does what a
-- B-tree of 30 bytes a line would. autosummarize, as ranges not summarized are read in full.
create index order_lines_by_time on order_lines using brin (accepted_at) with (autosummarize = on);
-- A rebuild wants every open hold, however old. Holds last hours, so this stays small.
create index order_lines_held on order_lines (shard, seq, line) where state = 'held';
-- A rebuild counts what each user bought of SKUs with a quota, in pages.
create index order_lines_with_quota on order_lines (shard, user_id, sku) where has_quota;

create table stock (
  shard integer not null,
  sku text collate "C" not null,
  available bigint not null check (available >= 0),
  reserved bigint not null check (reserved >= 0),
  policy json,
  updated_at timestamptz not null default now(),
  primary key (shard, sku)
) with (fillfactor = 70); -- room in the page for the next version: a hot SKU is updated in place, no index write
comment on table stock is 'one SKU now; a SKU lives in exactly one shard';
comment on column stock.policy is 'the rules of its sale; null when it has none';

-- Few SKUs have rules; every batch asks which of its SKUs have a quota.
create index stock_with_policy on stock (shard, sku) where policy is not null;

create table dead_letters (
  id bigint generated always as identity primary key,
  shard integer not null,
  seq bigint not null,
  event json not null, -- json, not jsonb: it keeps what jsonb refuses, such as \u0000
  sqlstate text not null,
  reason text not null,
  created_at timestamptz not null default now()
);
comment on table dead_letters is 'one event that the books could not take as it came, and why; its movement is booked all the same';

create table compensations (
  shard integer not null,
  seq bigint not null,
  sku text collate "C" not null,
  amount bigint not null check (amount > 0),
  created_at timestamptz not null default now(),
  done_at timestamptz,
  primary key (shard, seq, sku)
);
comment on table compensations is 'units sold a second time to a line that came back after the idempotency window: given back by an adjustment whose id is made from shard and seq';
create index compensations_open on compensations (shard, seq) where done_at is null;

create table log_jumps (
  shard integer not null,
  from_seq bigint not null,
  to_seq bigint not null,
  epoch bigint not null,
  count bigint not null check (count = to_seq - from_seq),
  at timestamptz not null default now(),
  primary key (shard, from_seq)
);
comment on table log_jumps is 'numbers after from_seq, up to to_seq, that a rebuild declared lost';
