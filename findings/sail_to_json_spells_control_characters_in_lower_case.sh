#!/usr/bin/env bash
# Sail's to_json spells control characters in lower-case hexadecimal; Spark on the JVM spells them in upper case.
#
# Expected: where an engine says that it is a drop-in replacement, `to_json` of the same text gives the same bytes. For
# most texts it does: quotes, backslashes, \n and \t, DEL, U+2028 and emoji come out alike.
# What happens: U+001F is "\u001f" from Sail 0.7.2 and "\u001F" from Spark 4.1.4 on the JVM, and so are the eight others of
# the control characters whose number has a letter (0B, 0E, 0F, 1A to 1F). Both are right, as JSON takes either.
# Why it matters: what is hashed, signed, compared as text or made into a UUID by its JSON differs between engines, for the
# few rows with such a character only. A comparison of engines on tame data does not show it. A replacement of the text
# `\u001F` does not help by itself: after an escaped backslash (`\\u001F`) it is part of the value.
#
# Needs Python 3.10 or later with venv. The JVM is not run here.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check pysail==0.7.2 pyspark-client==4.1.3 pyarrow==26.0.1 pandas
cat >try.py <<'PYTHON'
import sys
from importlib.metadata import version

from pysail.spark import SparkConnectServer
from pyspark.sql import SparkSession

print("pysail", version("pysail"), "pyspark-client", version("pyspark-client"))
server = SparkConnectServer("127.0.0.1", 0)
server.start(background=True)
spark = SparkSession.builder.remote("sc://{}:{}".format(*server.listening_address)).getOrCreate()
codes = [code for code in range(0x20) if f"{code:x}" != f"{code:X}"]
changed = False
for code in codes:
    if chr(code) in "\n\f\r":  # spelled so by both
        continue
    json = spark.createDataFrame([(chr(code),)], "v string").selectExpr("to_json(named_struct('v', v)) json").first().json
    on_the_jvm = f'{{"v":"\\u{code:04X}"}}'
    print(f"U+{code:04X}: Sail {json}, JVM {on_the_jvm}")
    changed |= json != f'{{"v":"\\u{code:04x}"}}'
spark.stop()
server.stop()
sys.exit("changed" if changed else 0)
PYTHON
RUST_LOG=off venv/bin/python try.py
