-- A user asks to be forgotten: the user of a movement may be replaced by a pseudonym, and nothing else of it may change.
-- The trigger compares the whole row, so a superuser is bound too; the grant lets the owner write this one column. It is on
-- every partition, also later ones; a statement that names a partition is refused as before.
create table forgotten (
  id bigint generated always as identity primary key,
  pseudonym text not null,
  actor text not null,
  reason text not null,
  movements bigint not null,
  order_lines bigint not null,
  dead_letters bigint not null,
  at timestamptz not null default now()
);
comment on table forgotten is 'one run of inventory forget: who replaced a user by which pseudonym, and why; never the user';

create function refuse_change_but_user() returns trigger language plpgsql as $$
declare kept record := new;
begin
  kept.user_id := old.user_id;
  if new.user_id like 'forgotten:%' and kept::text = old::text then return new; end if;
  raise exception 'Cannot update movements as they only grow: book a correction instead'
    using errcode = 'insufficient_privilege';
end
$$;

drop trigger movements_only_grow on movements;
create trigger movements_only_grow before delete or truncate on movements
  for each statement execute function refuse_change();
create trigger movements_keep before update on movements
  for each row execute function refuse_change_but_user();

do $$
begin
  execute format('grant update (user_id) on movements to %I', current_user);
end
$$;
