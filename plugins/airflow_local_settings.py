"""Airflow imports this file when a process starts.

In the scheduler it loads what tasks will need: LocalExecutor forks their processes from it, and each would otherwise
import the same modules and parse the same queries again, which takes longer than most tasks' work.
"""

import contextlib
import importlib
import sys

TASK_MODULES = (
    "airflow.providers.standard.operators.empty",
    "jinja2.ext",
    "lumbung.pipeline.build",
    "lumbung.pipeline.extract",
    "lumbung.pipeline.operations",
    "lumbung.pipeline.publish",
    "lumbung.pipeline.references",
    "lumbung.pipeline.rejects",
    "lumbung.sources.csv_file",
    "lumbung.sources.json_file",
    "lumbung.sources.postgres",
    "lumbung_airflow.dag",
)

if "scheduler" in sys.argv:
    for module in TASK_MODULES:
        importlib.import_module(module)

    from lumbung.catalog import query
    from lumbung.catalog.contract import Catalog
    from lumbung.core.errors import LumbungError
    from lumbung.systems import registry

    registry.all_systems()

    with contextlib.suppress(LumbungError):  # the DAG file meets the same fault, and Airflow's page shows it
        query.build_order(Catalog().contracts.values())
