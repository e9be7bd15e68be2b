-- The movements of before become the first partition. What follows its bounds goes into ranges of numbers of one shard,
-- so that a range can be dropped when its sums are in opening_balances. A number without a range goes to movements_rest.
set local lock_timeout = '2s';
alter table movements rename to movements_first;
alter index movements_pkey rename to movements_first_pkey;
alter index movements_remembered rename to movements_first_remembered;
alter index movements_remembered_by_time rename to movements_first_remembered_by_time;
alter index movements_returned rename to movements_first_returned;
alter index movements_adjusted rename to movements_first_adjusted;

create table movements (like movements_first including defaults including comments) partition by range (seq);
comment on table movements is 'one change of one SKU; the sum of delta of a SKU, with its opening balance, is its available';
alter table movements add primary key (shard, seq, line);
create index movements_remembered on movements (shard, seq, line) where kind in ('adjust', 'create', 'set', 'return');
create index movements_remembered_by_time on movements (shard, occurred_at)
  where kind in ('adjust', 'create', 'set', 'return');
create index movements_returned on movements (shard, order_id, sku) where kind = 'return';
create index movements_adjusted on movements (shard, order_id, sku) where kind in ('adjust', 'create', 'set');

-- What 0002_corrections.sql does for one table: the triggers bind every role that names a partition.
create function let_only_grow(target regclass) returns void language plpgsql as $$
declare grantee text;
begin
  execute format(
    'create trigger movements_only_grow before update or delete or truncate on %s '
      'for each statement execute function refuse_change()', target);
  for grantee in
    select distinct case a.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end
    from pg_class c, aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a where c.oid = target
  loop
    execute format('revoke update, delete, truncate on %s from %s', target, grantee);
  end loop;
end
$$;

create table movement_ranges (
  shard integer not null,
  from_seq bigint not null,
  to_seq bigint not null check (to_seq > from_seq),
  partition name not null,
  created_at timestamptz not null default now(),
  primary key (shard, from_seq)
);
comment on table movement_ranges is 'the numbers from from_seq on, before to_seq, of a shard: in this partition of movements';

create table opening_balances (
  shard integer not null,
  sku text collate "C" not null,
  available bigint not null,
  reserved bigint not null,
  policy json,
  primary key (shard, sku)
);
comment on table opening_balances is 'the sums of the movements up to log_cursor.opening_seq, which may be gone';
comment on column opening_balances.policy is 'the rules that the last of them set; null when none did';

alter table log_cursor add column opening_seq bigint not null default -1;
comment on column log_cursor.opening_seq is 'movements up to this number are in opening_balances, and do not count again';

do $$
declare past bigint;
begin
  select (regexp_match(pg_get_constraintdef(oid), 'seq < ''?(\d+)'))[1]::bigint into strict past
  from pg_constraint where conrelid = 'movements_first'::regclass and conname = 'movements_first_bounds';
  execute format('alter table movements attach partition movements_first for values from (minvalue) to (%s)', past);
  alter table movements_first drop constraint movements_first_bounds;
  execute format(
    'create table movements_ranges partition of movements for values from (%s) to (maxvalue) '
      'partition by range (shard, seq)', past);
  insert into movement_ranges (shard, from_seq, to_seq, partition)
  select shard, 0, past, 'movements_first' from log_cursor;
end
$$;
create table movements_rest partition of movements_ranges default;
select let_only_grow('movements'), let_only_grow('movements_ranges'), let_only_grow('movements_rest');

-- Adds the range after a shard's last one, unless that is less than half full. A range is to last 30 days: it has up to
-- four times as many numbers as the one before, or a quarter, from 100,000 to 64 million.
create function extend_movement_ranges(of_shard integer) returns boolean
language plpgsql set lock_timeout = '1s' as $$
declare
  next_seq constant bigint := (select seq + 1 from log_cursor where shard = of_shard);
  last_range movement_ranges;
  start bigint;
  numbers bigint := 1000000;
  lasted double precision;
  target name;
begin
  select * into last_range from movement_ranges where shard = of_shard order by from_seq desc limit 1;
  if next_seq is null or (last_range.from_seq + last_range.to_seq) / 2 > next_seq then return false; end if;
  lock table movements_ranges in share update exclusive mode; -- before movements_rest is read, or two of these deadlock
  if last_range.partition <> 'movements_first' then
    lasted := extract(epoch from now() - last_range.created_at) * 2; -- it is half full
    numbers := (last_range.to_seq - last_range.from_seq)
      * least(4, greatest(0.25, extract(epoch from interval '30 days') / greatest(lasted, 1)));
    numbers := least(64000000, greatest(100000, numbers));
  end if;
  start := greatest(
    next_seq, last_range.to_seq, (select max(to_seq) from movement_ranges where partition = 'movements_first'),
    (select max(seq) + 1 from movements_rest where shard = of_shard)
  );
  target := format('movements_%s_%s', of_shard, start);
  -- Made alone and attached: "partition of" would lock all of movements against reads and writes.
  execute format('create table %I (like movements including defaults including indexes)', target);
  perform let_only_grow(target::regclass);
  execute format(
    'alter table movements_ranges attach partition %I for values from (%s, %s) to (%s, %s)',
    target, of_shard, start, of_shard, start + numbers);
  insert into movement_ranges (shard, from_seq, to_seq, partition) values (of_shard, start, start + numbers, target);
  return true;
end
$$;

-- Drops the partitions whose numbers are all in opening balances, at most one a call. Returns its name.
create function drop_movement_range(of_shard integer) returns name
language plpgsql set lock_timeout = '500ms' as $$
declare
  found movement_ranges;
begin
  select r.* into found from movement_ranges r join log_cursor c using (shard)
  where r.shard = of_shard and r.to_seq <= c.opening_seq + 1 order by r.from_seq limit 1;
  if found is null then return null; end if;
  delete from movement_ranges where shard = of_shard and from_seq = found.from_seq;
  if exists (select from movement_ranges where partition = found.partition) then return null; end if;
  execute format('drop table %I', found.partition);
  return found.partition;
end
$$;
