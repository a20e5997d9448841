#!/bin/sh
# Without data: makes the cluster with POSTGRES_PASSWORD, and runs the scripts while only the socket listens. Then the server.
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  : "${POSTGRES_PASSWORD:?}"
  password=$(mktemp)
  printf '%s\n' "$POSTGRES_PASSWORD" >"$password"
  initdb --username=postgres --pwfile="$password" --auth-host=scram-sha-256 --auth-local=trust >/dev/null
  rm "$password"
  echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
  pg_ctl start -w -o "-c listen_addresses=''" >/dev/null
  for script in /docker-entrypoint-initdb.d/*; do
    echo "running $script"
    "$script"
  done
  pg_ctl stop -w -m fast >/dev/null
fi
exec "$@" -c listen_addresses='*'
