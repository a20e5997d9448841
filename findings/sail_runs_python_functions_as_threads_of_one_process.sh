#!/usr/bin/env bash
# Sail runs the groups of applyInArrow as threads of its own process, two at the same time.
#
# Expected: a Python function of Spark runs in worker processes, one task at a time in each. What it sets for its process
# (BLAS threads by threadpoolctl, random seeds, environment variables, the working folder) is its own until it returns.
# What happens: Sail 0.7.2, started as a library, calls the function in the process that started it, from several threads.
# Two groups are inside it at once, and each sees what the other has set: of eight groups that seed `random`, wait and
# draw, some draw another's number. On the JVM each group draws its own.
# Why it matters: code that is deterministic and thread-safe by way of Spark's worker processes is neither on Sail, without
# an error. `with threadpool_limits(1)` of one group is lifted while another one still calculates, so that the same rows
# give other last digits from run to run.
#
# Needs Python 3.10 or later with venv, and two processor cores.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check pysail==0.7.2 pyspark-client==4.1.3 pyarrow==26.0.1 pandas
cat >try.py <<'PYTHON'
import os
import random
import sys
from importlib.metadata import version

from pysail.spark import SparkConnectServer
from pyspark.sql import SparkSession

print("pysail", version("pysail"), "pyspark-client", version("pyspark-client"))
server = SparkConnectServer("127.0.0.1", 0)
server.start(background=True)
spark = SparkSession.builder.remote("sc://{}:{}".format(*server.listening_address)).getOrCreate()


def draw(key, rows):
    import os
    import random
    import threading
    import time

    import pyarrow as pa

    number = key[0].as_py()
    random.seed(number)
    began = time.time()
    time.sleep(0.3)
    drawn = random.random()
    row = {"number": number, "drawn": drawn, "pid": os.getpid(), "began": began, "ended": time.time()}
    return pa.Table.from_pylist([{**row, "thread": threading.get_ident()}])


frame = spark.range(800).selectExpr("id % 8 as number")
schema = "number long, drawn double, pid long, began double, ended double, thread long"
rows = frame.groupBy("number").applyInArrow(draw, schema).collect()
wrong = sum(row.drawn != random.Random(row.number).random() for row in rows)
pairs = [(one, other) for one in rows for other in rows if one.number < other.number]
together = sum(one.began < other.ended and other.began < one.ended for one, other in pairs)
same = {row.pid for row in rows} == {os.getpid()}
print(f"in the process that started Sail: {same}; threads: {len({row.thread for row in rows})}")
print(f"{together} pairs of groups ran at the same time; {wrong} of {len(rows)} groups drew by another group's seed")
spark.stop()
server.stop()
sys.exit(0 if same and together and wrong else "changed")
PYTHON
RUST_LOG=off venv/bin/python try.py
