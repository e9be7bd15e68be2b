-- Opening balances: the sums of the movements up to log_cursor.opening_seq, which may be gone.
create table opening_balances (
  shard integer not null,
  sku text not null,
  available integer not null,
  reserved integer not null,
  policy text, -- the rules that the last of them set; null when none did
  primary key (shard, sku)
) strict, without rowid;
alter table log_cursor add column opening_seq integer not null default -1;

drop trigger movements_only_grow_delete;
create trigger movements_only_grow_delete before delete on movements
when old.seq > (select opening_seq from log_cursor where shard = old.shard) begin
  select raise(abort, 'Cannot delete movements as they only grow: book a correction instead');
end;
