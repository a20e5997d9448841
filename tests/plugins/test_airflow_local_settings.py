import subprocess
import sys

from lumbung.core.settings import ROOT

LOADED = """
import runpy, sys
import airflow.sdk, airflow_local_settings
from lumbung.catalog import query
before, parsed = set(sys.modules), query._parsed.cache_info().misses
for name in ("enrollment.py", "tweets.py", "models.py"):
    runpy.run_path(f"dags/{name}")
print(sorted(name for name in set(sys.modules) - before if name.startswith(("lumbung", "sqlglot"))))
print(query._parsed.cache_info().misses - parsed)
"""
SLOW_TO_END = """
import os, time
from typing import Any
from uuid import uuid4
import airflow.sdk, airflow_local_settings
from airflow.sdk.execution_time.supervisor import WatchedSubprocess
from pydantic import TypeAdapter

class Supervisor(WatchedSubprocess):
    decoder = TypeAdapter(Any)

def close_before_the_end():
    os.closerange(0, 256)
    time.sleep(0.5)

task = Supervisor.start(id=uuid4(), target=close_before_the_end)
while (code := task._service_subprocess(max_wait_time=3600)) is None:
    pass
print("ended with", code)
"""
BROKEN = """
from lumbung.catalog import query
from lumbung.core.errors import LumbungError
def build_order(contracts):
    raise LumbungError("no GoogleSQL", where="fact_course.sql", remedy="fix the query")
query.build_order = build_order
import airflow_local_settings
"""


def scheduler(program: str) -> subprocess.CompletedProcess[str]:
    """Run a program with the arguments of Airflow's scheduler."""
    command = [sys.executable, "-c", f"import sys\nsys.path[:0] = ['include', 'plugins']\n{program}", "scheduler"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)


def test_what_a_task_reads_of_a_dag_file_is_there_in_the_scheduler() -> None:
    done = scheduler(LOADED)
    assert done.stdout.splitlines()[-2:] == ["[]", "0"], done.stderr


def test_a_broken_query_does_not_stop_the_scheduler() -> None:
    done = scheduler(BROKEN)
    assert done.returncode == 0, done.stderr


def test_a_supervisor_does_not_wait_for_a_task_that_has_nothing_more_to_say() -> None:
    done = scheduler(SLOW_TO_END)
    assert done.stdout.splitlines()[-1:] == ["ended with 0"], done.stderr
