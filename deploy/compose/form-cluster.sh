#!/bin/sh
# Makes a cluster of NODES ("host:port …", by address), the first half masters, unless they are one already.
# CLI is the command line client; the password of the user "admin" is in REDISCLI_AUTH. Ends when every slot is served.
set -eu
CLI=${CLI:-valkey-cli}
first=${NODES%% *}
ask() { "$CLI" --user admin -h "${first%:*}" -p "${first##*:}" cluster info | tr -d '\r'; }

if ! ask | grep -q '^cluster_known_nodes:1$'; then
  echo "The nodes know each other already"
else
  # shellcheck disable=SC2086 -- one word a node
  "$CLI" --user admin --cluster create $NODES --cluster-replicas 1 --cluster-yes
fi
for _ in $(seq 60); do
  # Without full coverage the state is "ok" with slots missing too.
  if ask | grep -q '^cluster_slots_ok:16384$'; then exit 0; fi
  sleep 1
done
echo "The cluster does not serve every slot after 60 s:" >&2
ask >&2
exit 1
