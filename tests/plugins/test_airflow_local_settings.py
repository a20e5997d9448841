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
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_what_a_task_reads_of_a_dag_file_is_there_in_the_scheduler() -> None:
    done = scheduler(LOADED)
    assert done.stdout.splitlines()[-2:] == ["[]", "0"], done.stderr


def test_a_broken_query_does_not_stop_the_scheduler() -> None:
    done = scheduler(BROKEN)
    assert done.returncode == 0, done.stderr
