#!/usr/bin/env bash
# DuckLake's ducklake_add_data_files replaces a column's values by the name of a folder above the file.
#
# Expected: `ducklake_add_data_files(lake, table, file)` adds the rows that are in the Parquet file. A `key=value` folder
# counts where the file lacks that column, as a Hive layout leaves it out; a lake's own folder may be anywhere.
# What happens: with the default (`hive_partitioning` not given) every folder of the absolute path that looks like
# `key=value` and is named as a column of the table gives that column's value for all rows, though the file has the
# column. The call reports nothing, the row count is right, and the mapping is kept in the catalog. The same file that
# DuckLake wrote itself, in the same folder, is read with its own values; `hive_partitioning => false` adds it so too.
# Why it matters: tools that share or restore files by this call (copies without rewriting, backups, moves from Iceberg
# or plain Parquet) change data silently, only for people whose lake or backup lies below such a folder, like `dt=…`.
#
# Needs Python 3.10 or later with venv, on Linux or macOS.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check duckdb==1.5.5 duckdb-extensions==1.5.5 duckdb-extension-ducklake==1.5.5
export HOME=$folder
cat >try.py <<'PYTHON'
import shutil
import sys
from pathlib import Path

import duckdb
import duckdb_extensions

duckdb_extensions.import_extension("ducklake")
folder = Path.cwd() / "dt=2020-01-01"
folder.mkdir()
db = duckdb.connect()
db.execute(f"ATTACH 'ducklake:{folder}/lake.ducklake' AS lake (DATA_PATH '{folder}/lake/', DATA_INLINING_ROW_LIMIT 0)")
db.execute("CREATE TABLE lake.written AS SELECT * FROM (VALUES ('first', 1), ('second', 2)) AS t (dt, n)")
((file,),) = db.execute("SELECT data_file FROM ducklake_list_files('lake', 'written')").fetchall()
print("duckdb", duckdb.__version__)
print("columns of the file:", db.execute(f"SELECT name FROM parquet_schema('{file}')").fetchall()[1:])
found = {"written by DuckLake": db.execute("SELECT dt FROM lake.written ORDER BY n").fetchall()}
for number, option in enumerate(("", ", hive_partitioning => false")):
    copy = f"{folder}/copy{number}.parquet"
    shutil.copy(file, copy)
    db.execute(f"CREATE TABLE lake.added{number} (dt VARCHAR, n INTEGER)")
    db.execute(f"CALL ducklake_add_data_files('lake', 'added{number}', '{copy}'{option})")
    found[f"added{option or ', by default'}"] = db.execute(f"SELECT dt FROM lake.added{number} ORDER BY n").fetchall()
for name, rows in found.items():
    print(f"{name:40}", rows)
own, replaced = [("first",), ("second",)], [("2020-01-01",), ("2020-01-01",)]
if list(found.values()) != [own, replaced, own]:
    sys.exit("changed: the second was expected to have the folder's value, the others the file's")
PYTHON
venv/bin/python try.py
