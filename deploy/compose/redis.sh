#!/bin/sh
# Starts one node of the cluster with the users of deploy/redis/users.acl: redis.sh [option …]
#
# Each REDIS_<WHO>_PASSWORD takes the place of SHA256_OF_<WHO>_PASSWORD in USERS. The files that hold passwords lie in
# RUN, which is memory, and only this user can read them. SERVER is the program.
set -eu
umask 077
SERVER=${SERVER:-valkey-server}
USERS=${USERS:-/etc/holdfast/users.acl}
RUN=${RUN:-/run/holdfast}

edits=
for who in API WORKER OPERATOR REPLICA ADMIN; do
  eval "password=\${REDIS_${who}_PASSWORD:?}"
  edits="$edits;s/SHA256_OF_${who}_PASSWORD/$(printf %s "$password" | sha256sum | cut -c 1-64)/"
done
sed "$edits" "$USERS" > "$RUN/users.acl"

# A word in quotes, as the server reads it.
quoted=$(printf %s "$REDIS_REPLICA_PASSWORD" | sed 's/[\\"]/\\&/g')
printf 'aclfile "%s/users.acl"\nmasteruser replica\nmasterauth "%s"\n' "$RUN" "$quoted" > "$RUN/redis.conf"
unset REDIS_API_PASSWORD REDIS_WORKER_PASSWORD REDIS_OPERATOR_PASSWORD REDIS_REPLICA_PASSWORD REDIS_ADMIN_PASSWORD
unset password quoted
exec "$SERVER" "$RUN/redis.conf" "$@"
