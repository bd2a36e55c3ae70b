#!/usr/bin/env bash
# Makes client certificates in a new folder, for tests of what a server takes them for: client_certificates.sh FOLDER
#
#   ca.pem        a root (ECDSA)           other.pem     another root of the same name
#   middle.pem    a CA under it            crl.pem       CRLs of the root and of middle     ca_crl.pem  of the root alone
#   both.pem      root and middle          stale.pem     the root's CRL, past its next update
#   NAME.pem, NAME.key of users: alice (ECDSA), rsa, two (two addresses), none (no address), expired, future, revoked,
#   server (not for clients), self (its own CA),
#   under (by middle; under_chain.pem has middle behind it), by_user (by alice, who is no CA;
#   by_user_chain.pem), deep (by a CA under middle, which allows none; deep_chain.pem), other_alice (by the other root)
set -euo pipefail
mkdir -p "$1"
cd "$1"

cat >openssl.cnf <<'CNF'
[ca]
default_ca = any
[any]
dir = $ENV::CA
database = $dir/index
serial = $dir/serial
crlnumber = $dir/crlnumber
new_certs_dir = $dir
default_md = sha256
default_days = 30
default_crl_days = 30
policy = policy
unique_subject = no
copy_extensions = copy
[policy]
commonName = supplied
organizationName = optional
[req]
distinguished_name = name
prompt = no
[name]
CN = unused
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[middle]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[user]
basicConstraints = CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = $ENV::USAGE
authorityKeyIdentifier = keyid
CNF
export OPENSSL_CONF=$PWD/openssl.cnf CA=. USAGE=clientAuth

key() { # NAME [bits of RSA]
  if [[ -n ${2:-} ]]; then
    openssl genpkey -algorithm RSA -pkeyopt "rsa_keygen_bits:$2" -out "$1.key"
  else
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key"
  fi
}
authority() { # NAME: a folder for what it signs
  mkdir -p "$1.d"
  : >"$1.d/index"
  echo 1000 >"$1.d/serial"
  echo 01 >"$1.d/crlnumber"
}
root() { # NAME SUBJECT
  authority "$1"
  key "$1"
  openssl req -x509 -new -key "$1.key" -subj "$2" -days 30 -extensions root -out "$1.pem"
}
issue() { # CA NAME SUBJECT ADDRESSES SECTION [option of openssl ca ...]
  local ca=$1 name=$2 subject=$3 addresses=$4 section=$5
  shift 5
  openssl req -new -key "$name.key" -subj "$subject" ${addresses:+-addext "subjectAltName=$addresses"} -out "$name.csr"
  CA=$PWD/$ca.d openssl ca -batch -notext -cert "$ca.pem" -keyfile "$ca.key" -extensions "$section" -in "$name.csr" \
    -out "$name.pem" "$@"
}
crl() { # CA [option ...]
  local ca=$1
  shift
  CA=$PWD/$ca.d openssl ca -gencrl -cert "$ca.pem" -keyfile "$ca.key" "$@"
}

{
  root ca /CN=Clients/O=Example
  root other /CN=Clients/O=Example
  for name in middle low alice two none expired future revoked server under by_user deep other_alice; do key "$name"; done
  key rsa 2048
  root self /CN=Self/O=Example
  for name in middle low alice; do authority "$name"; done
  issue ca middle /CN=Middle/O=Example "" middle
  issue middle low /CN=Low/O=Example "" middle
  issue ca alice "/CN=Alice/O=Example, Inc." email:alice@example.net user
  issue ca rsa /CN=Rsa/O=Example email:alice@example.net user
  issue ca two /CN=Two/O=Example email:alice@example.net,email:bob@example.net user
  issue ca none /CN=None/O=Example "" user
  issue ca expired /CN=Expired/O=Example email:alice@example.net user -startdate 20200101000000Z -enddate 20200201000000Z
  issue ca future /CN=Future/O=Example email:alice@example.net user -startdate 20480101000000Z -enddate 20490101000000Z
  issue ca revoked /CN=Revoked/O=Example email:alice@example.net user
  USAGE=serverAuth issue ca server /CN=Server/O=Example email:alice@example.net user
  issue middle under /CN=Under/O=Example email:alice@example.net user
  issue alice by_user /CN=ByUser/O=Example email:alice@example.net user
  issue low deep /CN=Deep/O=Example email:alice@example.net user
  issue other other_alice /CN=Alice/O=Example email:alice@example.net user
  CA=$PWD/ca.d openssl ca -cert ca.pem -keyfile ca.key -revoke revoked.pem
  crl ca >ca_crl.pem
  { cat ca_crl.pem; crl middle; } >crl.pem
  crl ca -crl_lastupdate 20200101000000Z -crl_nextupdate 20200201000000Z >stale.pem
  cat ca.pem middle.pem >both.pem
  cat under.pem middle.pem >under_chain.pem
  cat by_user.pem alice.pem >by_user_chain.pem
  cat deep.pem low.pem middle.pem >deep_chain.pem
} 2>log || {
  cat log >&2
  exit 1
}
