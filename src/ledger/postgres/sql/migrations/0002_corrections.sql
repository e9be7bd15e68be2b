-- Movements only grow. Every other table is derived from them, so a row that was changed or deleted could not be found
-- again. The grants stop a role that owns the table but is no superuser; the trigger stops a superuser too. Both are
-- statement level: an insert pays nothing. An owner can undo both by DDL, which is a decision and no slip.
create function refuse_change() returns trigger language plpgsql as $$
begin
  raise exception 'Cannot % movements as they only grow: book a correction instead', lower(tg_op)
    using errcode = 'insufficient_privilege';
end
$$;
create trigger movements_only_grow before update or delete or truncate on movements
  for each statement execute function refuse_change();

do $$
declare grantee text;
begin
  for grantee in
    select distinct case a.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end
    from pg_class c, aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a
    where c.oid = 'movements'::regclass
  loop
    execute 'revoke update, delete, truncate on movements from ' || grantee;
  end loop;
end
$$;

comment on column movements.line is 'place in its event, from 0; a correction has no event: it stands behind number seq, from line 1000';
comment on column movements.reference is 'document that a stock keeper named; the return id of a return; what a correction is about';

-- A return is looked up by its order: to prove the units of a line, and to know a return that was made before.
create index movements_returned on movements (shard, order_id, sku) where kind = 'return';

alter table dead_letters
  add column closed_at timestamptz,
  add column closed_by text,
  add column decision text;
comment on column dead_letters.closed_at is 'when a person decided what becomes of it; null while it waits';
create index dead_letters_by_number on dead_letters (shard, seq);
