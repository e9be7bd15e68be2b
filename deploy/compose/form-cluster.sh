#!/bin/sh
# Makes a cluster of NODES ("host:port …", by address), the first half masters, unless they are one already.
# CLI is the command line client; REDISCLI_AUTH the password. Ends when the first node says that all is well.
set -eu
CLI=${CLI:-valkey-cli}
first=${NODES%% *}
ask() { "$CLI" -h "${first%:*}" -p "${first##*:}" cluster info | tr -d '\r'; }

if ! ask | grep -q '^cluster_known_nodes:1$'; then
  echo "The nodes know each other already"
else
  # shellcheck disable=SC2086 -- one word a node
  "$CLI" --cluster create $NODES --cluster-replicas 1 --cluster-yes
fi
for _ in $(seq 60); do
  if ask | grep -q '^cluster_state:ok$'; then exit 0; fi
  sleep 1
done
echo "The cluster is not well after 60 s:" >&2
ask >&2
exit 1
