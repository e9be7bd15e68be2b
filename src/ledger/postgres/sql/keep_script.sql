-- Keeps the text of a script, or notes that it is still in use.
-- $1 digest   $2 source
insert into scripts (digest, source) values ($1, $2)
on conflict (digest) do update set used_at = now();
