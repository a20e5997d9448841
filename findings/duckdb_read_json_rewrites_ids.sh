#!/usr/bin/env bash
# DuckDB's read_json takes ids for UUIDs and gives them back in lower case; its read_csv leaves the same ids alone.
#
# Expected: without `columns`, a JSON string becomes VARCHAR unless it is a date or a time, as in read_csv; a cast of all columns
# to VARCHAR gives the texts that are in the file.
# What happens: strings that are all UUIDs become UUID, whose text is in lower case. A cast to VARCHAR behind it does not
# bring back the text of the file. A table with upper-case ids from JSON joins one from CSV or PostgreSQL in no row, as
# soon as both are stored as text; joined in one query, UUID against VARCHAR, all rows match. One id among the rows that
# DuckDB looks at that is not a UUID makes the column VARCHAR, and the join whole. A time with an offset loses it: it is a
# TIMESTAMP in UTC here, a TIMESTAMP WITH TIME ZONE in read_csv.
# Why it matters: nothing fails, a LEFT JOIN only gives nulls; sample data with one odd id hides it. A benchmark of this
# project measured scripts whose joins matched nothing until not_null tests of dbt said so. What helps:
# `columns = {id: 'VARCHAR', …}`.
#
# Needs Python 3.13.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q duckdb==1.5.5 pytz
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import json
import sys
from pathlib import Path

import duckdb

folder, changed = Path(sys.argv[1]), 0
ids = ["68DBC711-6F96-6B5A-3F44-B84D0364C801", "F7391A1D-B72E-7B0A-2B8E-6659123667AC"]
at = "2026-11-10T07:00:00+07:00"
(folder / "ids.json").write_text(json.dumps([{"id": key, "made": at} for key in ids]))
(folder / "odd.json").write_text(json.dumps([{"id": key, "made": at} for key in [*ids, "8B0D-1313"]]))
(folder / "ids.csv").write_text("id,made\n" + "".join(f"{key},{at}\n" for key in ids))
print(f"duckdb {duckdb.__version__}")
db = duckdb.connect()


def check(what, query, expected):
    """Compare a query's rows with those expected."""
    global changed
    rows = db.execute(query.replace("FOLDER", str(folder))).fetchall()
    print(f"{what}: {rows}")
    if rows != expected:
        print(f"changed: expected {expected}")
        changed = 1


kinds = "SELECT typeof(id), typeof(made) FROM {} LIMIT 1"
check("types of read_json", kinds.format("read_json('FOLDER/ids.json')"), [("UUID", "TIMESTAMP")])
check("types of read_csv", kinds.format("read_csv('FOLDER/ids.csv')"), [("VARCHAR", "TIMESTAMP WITH TIME ZONE")])
check("one id more", kinds.format("read_json('FOLDER/odd.json')"), [("VARCHAR", "TIMESTAMP")])
check("as text", "SELECT id::VARCHAR FROM read_json('FOLDER/ids.json')", [(key.lower(),) for key in ids])
db.execute(f"CREATE TABLE j AS SELECT columns(*)::VARCHAR FROM read_json('{folder}/ids.json')")
db.execute(f"CREATE TABLE c AS SELECT columns(*)::VARCHAR FROM read_csv('{folder}/ids.csv')")
check("rows that join, stored as text", "SELECT count(*) FROM j JOIN c ON j.id = c.id", [(0,)])
joined = "SELECT count(*) FROM read_json('FOLDER/ids.json') j JOIN read_csv('FOLDER/ids.csv') c ON j.id = c.id"
check("rows that join in one query", joined, [(2,)])
named = "SELECT id FROM read_json('FOLDER/ids.json', columns = {id: 'VARCHAR', made: 'VARCHAR'})"
check("with columns named", named, [(key,) for key in ids])
sys.exit(changed)
PYTHON
