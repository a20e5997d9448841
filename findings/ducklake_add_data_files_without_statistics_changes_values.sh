#!/usr/bin/env bash
# A Parquet file without statistics, added by DuckLake's ducklake_add_data_files, gives other values and misses rows.
#
# Expected: statistics in a Parquet file are optional. A file without them is read in full: DuckLake cannot know a least
# and a greatest value of the table's columns then, and says so to the optimizer.
# What happens: rows that are written later bring the table a least and a greatest value, which are theirs alone. A
# comparison that no value between them can meet is answered without reading: rows of the added file are missing. Where
# the optimizer packs values by that range, for ORDER BY, they come out as other values: 7 becomes 263. Nothing reports
# it, and the row count is right.
# Why it matters: several writers leave statistics out, as an option (pyarrow's `write_statistics=False`) or for some
# columns. Tables that are extended by this call, which is meant for other tools' files, give wrong answers silently.
#
# Needs Python 3.10 or later with venv, on Linux or macOS.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
  duckdb==1.5.5 duckdb-extensions==1.5.5 duckdb-extension-ducklake==1.5.5 pyarrow==26.0.1
export HOME=$folder
cat >try.py <<'PYTHON'
import sys
from pathlib import Path

import duckdb
import duckdb_extensions
import pyarrow as pa
import pyarrow.parquet as pq

duckdb_extensions.import_extension("ducklake")
folder = Path.cwd()
db = duckdb.connect()
db.execute(f"ATTACH 'ducklake:{folder}/lake.ducklake' AS lake (DATA_PATH '{folder}/lake/', DATA_INLINING_ROW_LIMIT 0)")
print("duckdb", duckdb.__version__, "pyarrow", pa.__version__)
found = []
for has_statistics in (True, False):
    table, file = f"lake.t_{has_statistics}", f"{folder}/{has_statistics}.parquet"
    pq.write_table(pa.table({"n": [7]}), file, write_statistics=has_statistics)
    db.execute(f"CREATE TABLE {table} (n BIGINT)")
    db.execute(f"CALL ducklake_add_data_files('lake', 't_{has_statistics}', '{file}')")
    db.execute(f"INSERT INTO {table} VALUES (100), (200)")
    rows = db.execute(f"FROM {table} ORDER BY n").fetchall()
    below = db.execute(f"FROM {table} WHERE n < 50").fetchall()
    print(f"statistics in the file: {has_statistics}; rows: {rows}; WHERE n < 50: {below}")
    found.append((rows, below))
if found != [([(7,), (100,), (200,)], [(7,)]), ([(100,), (200,), (263,)], [])]:
    sys.exit("changed: the row 7 was expected to be found, and to be 7, with statistics in the file only")
PYTHON
venv/bin/python try.py
