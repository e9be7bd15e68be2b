-- Drops scripts that no worker has carried for 90 days, and all but the 8 that were in use last.
delete from scripts
where used_at < now() - interval '90 days'
  or digest not in (select digest from scripts order by used_at desc, digest limit 8);
