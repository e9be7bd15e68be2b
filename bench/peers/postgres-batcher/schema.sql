-- stock and orders; an order remembers the stock after it, for its replay.
create table if not exists stock (
  sku text primary key,
  available bigint not null check (available >= 0)
);
create table if not exists orders (
  order_id text primary key,
  sku text not null,
  user_id text not null,
  amount bigint not null check (amount > 0),
  remaining bigint not null,
  created_at timestamptz not null default now()
);
