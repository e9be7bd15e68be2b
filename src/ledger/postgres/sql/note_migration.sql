-- Notes that a migration was applied.
-- $1 its number   $2 its file
insert into migrations (id, name) values ($1, $2);
