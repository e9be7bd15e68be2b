-- The scripts of the versions in use, those in use last first.
select digest as sha, source from scripts order by used_at desc, digest limit 8;
