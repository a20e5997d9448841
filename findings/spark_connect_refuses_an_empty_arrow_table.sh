#!/usr/bin/env bash
# Spark Connect's createDataFrame refuses an Arrow table without rows: it cannot infer the schema that the table has.
#
# Expected: `createDataFrame(table)` of a pyarrow table takes names and types from it, whether it has rows or not. So does
# pandas' `DataFrame` of Arrow types, and DuckDB.
# What happens: pyspark-client 4.1.3 raises CANNOT_INFER_EMPTY_SCHEMA before it asks the server, as for an empty list of
# Python rows. With a row the types come from the table. Given `schema=` as well, the table is taken.
# Why it matters: a job over what is usually there fails on the first day, or on a day without rows, and only then; the
# message says to infer, where nothing had to be.
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

import pyarrow as pa
from pysail.spark import SparkConnectServer
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

print("pyspark-client", version("pyspark-client"), "pysail", version("pysail"))
server = SparkConnectServer("127.0.0.1", 0)
server.start(background=True)
spark = SparkSession.builder.remote("sc://{}:{}".format(*server.listening_address)).getOrCreate()


def types(table, **options):
    try:
        return spark.createDataFrame(table, **options).dtypes
    except PySparkException as error:
        return str(error).split("]")[0].strip("[")


table = pa.table({"id": pa.array([1], pa.int64()), "day": pa.array([None], pa.date32())})
found = [types(table), types(table.schema.empty_table()), types(table.schema.empty_table(), schema="id long, day date")]
for what, result in zip(("a row", "no rows", "no rows, and a schema"), found):
    print(f"{what}: {result}")
spark.stop()
server.stop()
declared = [("id", "bigint"), ("day", "date")]
sys.exit(0 if found == [declared, "CANNOT_INFER_EMPTY_SCHEMA", declared] else "changed")
PYTHON
RUST_LOG=off venv/bin/python try.py
