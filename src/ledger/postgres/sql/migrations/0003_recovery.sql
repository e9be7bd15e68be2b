-- What is known of a state that the ledger has lost, and what a person decided about it.
alter table log_cursor
  add column seen_booked bigint not null default 0,
  add column seen_epoch bigint not null default 0;
comment on column log_cursor.seen_booked is 'highest number that a store said is booked: more than seq means that these books went back to an older state';
comment on column log_cursor.seen_epoch is 'highest epoch that a store said it was armed under: the next one is higher';

alter table log_jumps
  add column actor text not null default '',
  add column reason text not null default '';
comment on column log_jumps.actor is 'who decided that the numbers are lost';
comment on column log_jumps.reason is 'why, for people';

create table recoveries (
  id bigint generated always as identity primary key,
  shard integer not null,
  from_seq bigint not null,
  to_seq bigint not null check (to_seq >= from_seq),
  source text not null check (source in ('store', 'ledger')),
  actor text not null,
  reason text not null,
  requested_at timestamptz not null default now(),
  done_at timestamptz
);
comment on table recoveries is 'a person accepted that numbers are lost: the worker of the shard goes on without them';
comment on column recoveries.from_seq is 'last number booked when it was accepted: a worker that finds another one does nothing';
comment on column recoveries.to_seq is 'last number lost';
comment on column recoveries.source is 'whose figures count: those of the store, taken into the ledger by corrections, or those of the ledger, for which the store is rebuilt';
create index recoveries_open on recoveries (shard, id) where done_at is null;
