#!/bin/sh
# Gives .env what Docker Compose needs: fresh secrets, this user's id, the profiles and where their services are.
# What .env has already, stays, but for the profiles that PROFILES names and what follows from them.
set -eu
cd "$(dirname "$0")/.."
umask 077
say() { printf '%s\n' "$*"; }
fail() {
  say "$*" >&2
  exit 1
}
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
set_to() { # name, value
  grep -qxF "$1=$2" .env || put "$1" "$2"
}
has() { case ",$(value_of COMPOSE_PROFILES)," in *,"$1",*) ;; *) return 1 ;; esac; }
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
if [ -n "$(value_of LUMBUNG_PROJECT)" ]; then local='' bigquery=''; else local=local bigquery=http://bigquery:9050; fi
if [ -n "${PROFILES:-}" ]; then
  set_to COMPOSE_PROFILES "$(printf %s "$local,$PROFILES" | tr -s ', ' '\n\n' | awk 'NF && !seen[$0]++' | paste -sd, -)"
elif [ -n "$local" ]; then
  fill COMPOSE_PROFILES echo local
fi
for profile in $(value_of COMPOSE_PROFILES | tr , ' '); do
  case $profile in
    local | stream | connect | models | contracts | registry | spark | search) ;;
    *) fail "COMPOSE_PROFILES in .env names $profile; there are local, stream, connect, models, contracts, registry, spark and search" ;;
  esac
done
if has stream && has connect; then
  fail "COMPOSE_PROFILES in .env has stream and connect, and both would send the spool: take one of them out"
fi
if [ -z "$local" ] && has local; then
  say "LUMBUNG_PROJECT is set: take local out of COMPOSE_PROFILES in .env, nothing uses the local server"
fi
if has stream || has connect; then source=none; else source=''; fi
if has stream || has connect || has models || has contracts; then kafka=kafka:9092; else kafka=''; fi
if has registry; then registry=http://schema-registry:8080/apis/ccompat/v7; else registry=''; fi
if has registry && [ -z "$kafka$(value_of LUMBUNG_KAFKA)" ]; then
  fail "COMPOSE_PROFILES in .env has registry, which keeps its schemas in Kafka: add contracts, or set LUMBUNG_KAFKA"
fi
if has spark; then spark=sc://spark:15002; else spark=''; fi
if has search; then search=http://elasticsearch:9200 kibana=http://kibana:5601; else search='' kibana=''; fi
set_to SERVICE_BIGQUERY "$bigquery"
set_to SERVICE_KAFKA "$kafka"
set_to SERVICE_TWEET_SOURCE "$source"
set_to SERVICE_SPARK "$spark"
set_to SERVICE_SCHEMA_REGISTRY "$registry"
set_to SERVICE_SEARCH "$search"
set_to SERVICE_KIBANA "$kibana"
[ -z "$written" ] || say "Written to .env:$written"
[ -z "$kept" ] || say "Kept as they were:$kept"
say "Next: docker compose up. Airflow's page then asks for user admin and AIRFLOW_ADMIN_PASSWORD of .env."
