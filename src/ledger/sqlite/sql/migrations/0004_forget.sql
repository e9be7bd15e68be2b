-- A user asks to be forgotten: the user of a movement may be replaced by a pseudonym, and nothing else of it may change.
create table forgotten (
  id integer primary key autoincrement,
  pseudonym text not null,
  actor text not null,
  reason text not null,
  movements integer not null,
  order_lines integer not null,
  dead_letters integer not null,
  at text not null default (strftime('%Y-%m-%d %H:%M:%f', 'now'))
) strict;

drop trigger movements_only_grow_update;
create trigger movements_only_grow_update before update on movements
when new.user_id not glob 'forgotten:*' or (
  new.shard, new.epoch, new.seq, new.line, new.kind, new.order_id, new.sku, new.delta, new.reserved_delta,
  new.available_after, new.reserved_after, new.reason, new.reference, new.actor, new.traceparent, new.data,
  new.occurred_at, new.recorded_at
) is not (
  old.shard, old.epoch, old.seq, old.line, old.kind, old.order_id, old.sku, old.delta, old.reserved_delta,
  old.available_after, old.reserved_after, old.reason, old.reference, old.actor, old.traceparent, old.data,
  old.occurred_at, old.recorded_at
) begin
  select raise(abort, 'Cannot update movements as they only grow: book a correction instead');
end;
