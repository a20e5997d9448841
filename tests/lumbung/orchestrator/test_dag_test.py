import os
import subprocess
import sys
from pathlib import Path

import pytest

from lumbung.orchestrator.single_run import DAG_TEST

PROGRAM = """
import runpy, sys
exec(sys.argv[2])
runpy.run_path(sys.argv[1])["serve_newest_version"]()
import httpx
from airflow.sdk.execution_time.supervisor import in_process_api_server
api = in_process_api_server()
with httpx.Client(transport=api.transport, base_url="http://in-process.invalid") as client:
    client.get("/health/ping").raise_for_status()
print("versions:", *(version.value for version in api.app.versions.versions), file=sys.stderr)
"""
FAILS_AT_FIRST = """
from cadwyn import Cadwyn
make = Cadwyn._cadwyn_initialize
def fail(app):
    Cadwyn._cadwyn_initialize = make
    raise RuntimeError("no route was restored")
Cadwyn._cadwyn_initialize = fail
"""


@pytest.mark.parametrize(
    ("release", "is_alone"),
    [
        pytest.param("", True, id="as it is"),
        pytest.param(FAILS_AT_FIRST, False, id="a Cadwyn that cannot do that"),
    ],
)
def test_the_api_of_the_tasks_is_made_in_its_newest_version(tmp_path: Path, release: str, is_alone: bool) -> None:
    env = {**os.environ, "AIRFLOW_HOME": str(tmp_path), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    done = subprocess.run(
        [sys.executable, "-P", "-c", PROGRAM, str(DAG_TEST), release],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    newest, *others = done.stderr.splitlines()[-1].removeprefix("versions: ").split()
    assert newest >= "2026-06-30"
    assert bool(others) is not is_alone, "where it fails, all are made"
    assert ("All versions of Airflow's API are made" in done.stderr) is not is_alone
