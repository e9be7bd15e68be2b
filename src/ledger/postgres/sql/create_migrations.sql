-- Opens the list of migrations.
create table if not exists migrations (
  id integer primary key,
  name text not null,
  applied_at timestamptz not null default now()
);
