#!/usr/bin/env bash
# DuckDB's Python client imports pandas for a query with a parameter, if it is installed; without one it does not.
#
# Expected: pandas is imported where its frames are asked for (`df()`) or given. A query that takes a number and gives a
# number has nothing to do with it, however the number is written.
# What happens: `execute("SELECT 1")` imports no pandas. `execute("SELECT ?", [1])` does, as
# each parameter's type is compared with those of pandas. The answer is the same.
# Why it matters: where both are installed, as in an environment with Airflow or BigQuery's client, a short process that
# binds its values, as it should, takes some tenths of a second of CPU and tens of megabytes more than one that pastes
# them into the text. Leaving pandas out of one's own imports gains nothing then; an environment without it does.
#
# Needs Python 3.13.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check duckdb==1.5.5 pandas==3.1.1
cat > "$folder/program.py" <<'PYTHON'
import sys
import time

import duckdb

print("duckdb", duckdb.__version__)
database = duckdb.connect()
for sql, parameters in (("SELECT 1", None), ("SELECT ?", [1])):
    began = time.process_time()
    answer = database.execute(sql, parameters).fetchall()
    seconds = time.process_time() - began
    has_pandas = "pandas" in sys.modules
    print(f"{sql}: {answer}, {seconds:.2f} s of CPU, pandas imported: {has_pandas}")
    assert answer == [(1,)]
    assert has_pandas == (parameters is not None), "this finding is out of date"
print("pandas", sys.modules["pandas"].__version__)
PYTHON
"$folder/venv/bin/python" "$folder/program.py"
