#!/bin/sh
# Certificates of a laboratory: certificates.sh FOLDER [FILE=NAMES]... Elliptic keys, so that hand-shakes are quick.
#   ca.pem              the root that everybody trusts          stranger.pem  signed by nobody known
#   edge.pem            edge.example.test, 127.0.0.1 and .2 and .3 by an intermediate; with its chain and key
#   leaf.pem            the same certificate without its chain
#   wildcard.pem        *.example.test     soon.pem  as edge, ends in 5 days     client.pem  a client's
#   FILE.pem            as edge, of NAMES: exotel=DNS:pstn.in2.exotel.com
set -eu
cd "$1"
shift
key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key" 2>/dev/null; }

key ca
openssl req -new -x509 -key ca.key -out ca.pem -days 400 -subj "/CN=Laboratory root"
key middle
openssl req -new -key middle.key -out middle.csr -subj "/CN=Laboratory intermediate"
printf 'basicConstraints=critical,CA:TRUE\n' >middle.ext
openssl x509 -req -in middle.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out middle.crt -days 300 \
  -extfile middle.ext 2>/dev/null

# leaf NAME DAYS SUBJECT-ALTERNATIVE-NAMES
leaf() {
  key "$1"
  openssl req -new -key "$1.key" -out "$1.csr" -subj "/CN=$1"
  printf 'subjectAltName=%s\n' "$3" >"$1.ext"
  openssl x509 -req -in "$1.csr" -CA middle.crt -CAkey middle.key -CAcreateserial -out "$1.crt" \
    -days "$2" -extfile "$1.ext" 2>/dev/null
  cat "$1.crt" middle.crt "$1.key" >"$1.pem"
}
leaf edge 90 DNS:edge.example.test,IP:127.0.0.1,IP:127.0.0.2,IP:127.0.0.3
leaf wildcard 90 'DNS:*.example.test'
leaf soon 5 DNS:edge.example.test,IP:127.0.0.1
leaf client 90 DNS:client.example.test
cat edge.crt edge.key >leaf.pem
key stranger
openssl req -new -x509 -key stranger.key -out stranger.crt -days 90 -subj "/CN=stranger" \
  -addext subjectAltName=DNS:edge.example.test,IP:127.0.0.1
cat stranger.crt stranger.key >stranger.pem
for more; do leaf "${more%%=*}" 90 "${more#*=}"; done
