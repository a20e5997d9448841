"""Airflow imports this file when a process starts.

In the scheduler it loads what tasks will need: LocalExecutor forks their processes from it, and each would otherwise
import the same modules again, which takes longer than most tasks' work.
"""

import importlib
import sys

TASK_MODULES = (
    "airflow.providers.standard.operators.empty",
    "lumbung.build",
    "lumbung.extract",
    "lumbung.ledger",
    "lumbung.publish",
    "lumbung.references",
    "lumbung.sources.csv_file",
    "lumbung.sources.json_file",
    "lumbung.sources.postgres",
    "lumbung_airflow.operators",
    "sqlglot.dialects.bigquery",
)

if "scheduler" in sys.argv:
    for module in TASK_MODULES:
        importlib.import_module(module)
