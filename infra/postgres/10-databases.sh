#!/bin/sh
# Runs once, when the server has no data yet: Airflow's database and the source database, each with a role of its own.
set -eu
psql -v ON_ERROR_STOP=1 --quiet --username "${POSTGRES_USER:-postgres}" --dbname postgres <<'SQL'
\getenv airflow_password AIRFLOW_DB_PASSWORD
\getenv source_password PINTER_SKUY_PASSWORD
CREATE ROLE airflow LOGIN PASSWORD :'airflow_password';
CREATE ROLE pinter_skuy LOGIN PASSWORD :'source_password';
CREATE DATABASE airflow OWNER airflow;
CREATE DATABASE pinter_skuy;
-- Neither role may look into the other's database.
REVOKE CONNECT, TEMPORARY ON DATABASE airflow, pinter_skuy, postgres FROM PUBLIC;
GRANT CONNECT ON DATABASE pinter_skuy TO pinter_skuy;
SQL
