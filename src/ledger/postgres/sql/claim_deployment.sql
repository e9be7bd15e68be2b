-- Names the owner of these books, once.
-- $1 id to give it (uuid)   $2 number of shards
insert into deployment (id, shards) values ($1::text::uuid, $2) on conflict do nothing;
