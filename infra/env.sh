#!/bin/sh
# Gives .env what Docker Compose needs: fresh secrets, this user's id, the profile. What .env has already, stays.
set -eu
cd "$(dirname "$0")/.."
umask 077
say() { printf '%s\n' "$*"; }
value_of() { sed -n "s/^$1=//p" .env | tail -n 1; }
hex() { od -An -v -tx1 -N "$1" /dev/urandom | tr -d ' \n'; }

# Puts a value where the example has a commented line, else at the end.
put() {
  awk -v name="$1" -v value="$2" '
    !done && $0 ~ "^#?" name "=" { print name "=" value; done = 1; next }
    { print }
    END { if (!done) print name "=" value }
  ' .env >.env.new
  mv .env.new .env
  written="$written $1"
}
fill() { # name, command that makes the value
  if [ -n "$(value_of "$1")" ]; then
    kept="$kept $1"
  else
    name=$1
    shift
    put "$name" "$("$@")"
  fi
}
fernet_key() { head -c 32 /dev/urandom | base64 | tr '+/' '-_'; }
user_id() { if [ "$(id -u)" = 0 ]; then echo 50000; else id -u; fi; } # never root

written='' kept=''
if [ ! -e .env ]; then
  cp .env.example .env
  say "Made .env from .env.example"
fi
chmod 600 .env
[ -z "${LUMBUNG_PROJECT:-}" ] || fill LUMBUNG_PROJECT printf %s "$LUMBUNG_PROJECT"
fill AIRFLOW_UID user_id
for name in AIRFLOW_ADMIN_PASSWORD POSTGRES_PASSWORD AIRFLOW_DB_PASSWORD PINTER_SKUY_PASSWORD; do fill $name hex 12; done
fill AIRFLOW_FERNET_KEY fernet_key
fill AIRFLOW_SECRET_KEY hex 32
fill AIRFLOW_JWT_SECRET hex 64
if [ -z "$(value_of LUMBUNG_PROJECT)" ]; then
  fill COMPOSE_PROFILES echo local
fi
if [ -n "$(value_of LUMBUNG_PROJECT)" ] && [ -n "$(value_of COMPOSE_PROFILES)" ]; then
  say "LUMBUNG_PROJECT is set: empty COMPOSE_PROFILES in .env, as a project and the local server exclude each other"
fi
[ -z "$written" ] || say "Written to .env:$written"
[ -z "$kept" ] || say "Kept as they were:$kept"
say "Next: docker compose up. Airflow's page then asks for user admin and AIRFLOW_ADMIN_PASSWORD of .env."
