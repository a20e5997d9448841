#!/bin/sh
# Fills course_enrollment from the seed, at the first start and by `make reseed`: all of it or, when it cannot be read, nothing.
# The table has no constraints: repeats and nulls in the file must reach the pipeline, which rejects them.
set -eu
psql -v ON_ERROR_STOP=1 --quiet --single-transaction --username "${POSTGRES_USER:-postgres}" --dbname pinter_skuy <<'SQL'
SET client_min_messages = warning;
CREATE TABLE IF NOT EXISTS course_enrollment (student_id text, course_id text);
GRANT SELECT ON course_enrollment TO pinter_skuy;
TRUNCATE course_enrollment;
\copy course_enrollment (student_id, course_id) FROM '/data-source/course_enrollment.csv' (FORMAT csv, HEADER match)
SELECT count(*) || ' rows in course_enrollment' FROM course_enrollment \g (format=unaligned tuples_only=on)
SQL
