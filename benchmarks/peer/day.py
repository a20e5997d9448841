"""The peer's DAG: dlt loads the five sources, cosmos runs the dbt project with its tests.

It is read by the Airflow of `.venv-bench`; the environment says where everything is (`benchmarks/peer/run.py`).
"""

import os
from datetime import UTC, datetime
from pathlib import Path

from airflow.sdk import DAG, task
from cosmos import DbtTaskGroup, ExecutionConfig, ProfileConfig, ProjectConfig, RenderConfig
from cosmos.constants import ExecutionMode, LoadMode, TestBehavior

FOLDER = Path(os.environ["DAY_FOLDER"])
PROJECT = FOLDER / "dbt"
MANIFEST = PROJECT / "target" / "manifest.json"
SOURCES = ("student", "course", "mentor", "course_category", "course_enrollment")
MODE = ExecutionMode(os.environ.get("DAY_MODE", "local"))
TESTS = TestBehavior(os.environ.get("DAY_TESTS", "after_all"))


@task
def load(name: str) -> None:
    """Load a source into staging."""
    from benchmarks.dlt_sources import load as load_sources

    load_sources(
        [name],
        Path(os.environ["DAY_SOURCE"]),
        os.environ["DAY_DSN"],
        os.environ["DAY"],
        Path(os.environ["DAY_DATABASE"]),
        FOLDER / "dlt",
    )


with DAG("day", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)):
    models = DbtTaskGroup(
        group_id="dbt",
        project_config=ProjectConfig(PROJECT, manifest_path=MANIFEST, install_dbt_deps=False),
        profile_config=ProfileConfig("day", "day", profiles_yml_filepath=PROJECT / "profiles.yml"),
        execution_config=ExecutionConfig(execution_mode=MODE),
        render_config=RenderConfig(
            load_method=LoadMode.DBT_MANIFEST,
            test_behavior=TESTS,
            emit_datasets=False,
        ),
    )
    [load.override(task_id=f"load_{name}")(name) for name in SOURCES] >> models
