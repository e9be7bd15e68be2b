#!/bin/sh
# Makes a certificate authority of your own, once, and a server's certificate by it.
#
#   certificates.sh <folder> <name or address> [<name or address> ...]
#
# <folder> gets ca.crt (for servers and clients), ca.key (keep it off the servers), redis.crt and redis.key. The names are
# those that clients connect to; addresses are recognised. Run it again with the same folder for another server's
# certificate: the authority stays.
set -eu
umask 077

folder=${1:?folder} && shift
: "${1:?the name or address that clients connect to}"
mkdir -p "$folder"
cd "$folder"

if [ ! -f ca.key ]; then
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -keyout ca.key -out ca.crt \
    -subj "/CN=Holdfast CA" -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign"
fi

names=
for name in "$@"; do
  case $name in
    *:* | *[0-9].[0-9]*.[0-9]*.[0-9]*) kind=IP ;;
    *) kind=DNS ;;
  esac
  names="$names${names:+,}$kind:$name"
done

openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout redis.key -out redis.csr -subj "/CN=$1"
# A node of a cluster is a client of the others.
printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth,clientAuth\nbasicConstraints=CA:FALSE\n' "$names" > redis.ext
openssl x509 -req -in redis.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 825 -extfile redis.ext -out redis.crt
rm redis.csr redis.ext
