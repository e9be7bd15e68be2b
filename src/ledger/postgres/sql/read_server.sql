-- What the server says of itself: version, encoding of the database, what a commit waits for, the time in milliseconds since 1970.
select
  current_setting('server_version') as version, current_setting('server_version_num')::integer as number,
  current_setting('server_encoding') as encoding, current_setting('fsync') as fsync, current_setting('full_page_writes') as "fullPageWrites",
  current_setting('synchronous_commit') as "synchronousCommit",
  round(extract(epoch from clock_timestamp()) * 1000)::bigint as "atMs";
