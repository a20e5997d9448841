#!/usr/bin/env bash
# Sail reads no rows and no columns, and raises nothing, from a file below a folder with brackets in its name.
#
# Expected: `spark.read.parquet(path)` of a file that exists reads it. Where an engine takes `[…]` and `{…}` in a path for
# a pattern, as Spark on the JVM does, a pattern that matches nothing is an error (PATH_NOT_FOUND).
# What happens: Sail 0.7.2 takes the whole path for a pattern, matches nothing, and returns a DataFrame with no columns
# and no rows. `count()` is 0. Where the pattern means another folder beside it (`run [1]` and `run 1`), that one is read
# instead.
# Why it matters: a job on a laptop, in a folder such as `project [old]` or `{name}`, reports success over nothing, or
# reads the neighbour's data. Only a later reference to a column fails, with a message about the column.
#
# Needs Python 3.10 or later with venv.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check pysail==0.7.2 pyspark-client==4.1.3 pyarrow==26.0.1 pandas
cat >try.py <<'PYTHON'
import sys
from importlib.metadata import version
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pysail.spark import SparkConnectServer
from pyspark.sql import SparkSession

print("pysail", version("pysail"), "pyspark-client", version("pyspark-client"))
server = SparkConnectServer("127.0.0.1", 0)
server.start(background=True)
spark = SparkSession.builder.remote("sc://{}:{}".format(*server.listening_address)).getOrCreate()
expected = {
    "plain": ("plain", ["v"], 1),
    "run {3}": ("run {3}", [], 0),
    "run [2]": ("run [2]", [], 0),
    "run [1]": ("run [1]", ["v"], 2),  # of the folder `run 1`, whose file has two rows
}
for name, rows in (("plain", 1), ("run 1", 2), ("run [1]", 1), ("run [2]", 1), ("run {3}", 1)):
    Path(name).mkdir(parents=True)
    pq.write_table(pa.table({"v": ["x"] * rows}), f"{name}/f.parquet")
changed = False
for path, (exists, columns, rows) in expected.items():
    frame = spark.read.parquet(f"{Path.cwd()}/{path}/f.parquet")
    found = (frame.columns, len(frame.collect()))
    print(f"{path:26} (the folder {exists}): columns {found[0]}, rows {found[1]}")
    changed |= found != (columns, rows)
spark.stop()
server.stop()
sys.exit("changed" if changed else 0)
PYTHON
RUST_LOG=off venv/bin/python try.py
