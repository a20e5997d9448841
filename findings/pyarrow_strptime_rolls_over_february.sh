#!/usr/bin/env bash
# pyarrow's strptime takes 30 February, as 2 March.
#
# Expected: a parser of dates that gets 30 February refuses it, or gives null where it was asked to (error_is_null=True).
# Python's own strptime and Arrow's own cast of the same text refuse it, and DuckDB's try_strptime gives null.
# What happens: the compute function strptime checks only that the day is at most 31, and counts on: 31 April is 1 May.
# There is no error, and no null with error_is_null=True.
# Why it matters: strptime is the vectorized way to check a column of dates in a given format. Days that no calendar has
# come through as other days, so a wrong date in a source becomes a plausible one. What does check: a cast of ISO texts
# to date32, or a comparison of the text with what strftime makes of the result.
#
# Needs Python 3.10 or later with venv.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q pyarrow==26.0.1 duckdb==1.5.5
"$work/venv/bin/python" - <<'EOF'
import sys
from datetime import datetime

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

TEXTS, FORMAT = ["2026-02-28", "2026-02-30", "2026-04-31"], "%Y-%m-%d"


def of_arrow(text):
    (value,) = pc.strptime(pa.array([text]), FORMAT, "s", error_is_null=True).to_pylist()
    return f"{value:{FORMAT}}" if value else "null"


def of_cast(text):
    try:
        return str(pa.array([text]).cast(pa.date32()).to_pylist()[0])
    except pa.ArrowInvalid:
        return "refused"


def of_python(text):
    try:
        return f"{datetime.strptime(text, FORMAT):{FORMAT}}"
    except ValueError:
        return "refused"


def of_duckdb(text):
    ((value,),) = duckdb.execute("SELECT try_strptime(?, ?)", [text, FORMAT]).fetchall()
    return f"{value:{FORMAT}}" if value else "null"


print(f"Python {sys.version.split()[0]}, pyarrow {pa.__version__}, duckdb {duckdb.__version__}")
seen = [(text, of_arrow(text), of_cast(text), of_python(text), of_duckdb(text)) for text in TEXTS]
for row in [("text", "pyarrow strptime", "pyarrow cast", "Python", "DuckDB try_strptime"), *seen]:
    print("".join(f"{cell:<20}" for cell in row))
expected = [
    ("2026-02-28", "2026-02-28", "2026-02-28", "2026-02-28", "2026-02-28"),
    ("2026-02-30", "2026-03-02", "refused", "refused", "null"),
    ("2026-04-31", "2026-05-01", "refused", "refused", "null"),
]
sys.exit(seen != expected)
EOF
