"""The plugin, which every process of Airflow loads: it imports pages only where they are asked for, and little then."""

import json
import os
import subprocess
import sys

from support.airflow_stack import ROOT

SCRIPT = """
import json, sys
from lumbung.systems.registry import all_systems
from lumbung_plugin import LumbungPlugin
plugin = LumbungPlugin()
before = [name for name in sys.modules if name.startswith("lumbung_airflow.pages")]
apps, views = plugin.fastapi_apps, plugin.external_views
for system in all_systems():
    system.drill()
heavy = [name for name in ("duckdb", "google.cloud.bigquery", "pyarrow", "sqlglot") if name in sys.modules]
print(json.dumps([before, heavy, [app["url_prefix"] for app in apps], views]))
"""


def plugin(**settings: str) -> tuple[list[str], list[str], list[str], list[dict[str, str]]]:
    """What is imported before pages are asked for, what is heavy after that, and what Airflow is given."""
    path = f"{ROOT / 'plugins'}:{ROOT / 'include'}"
    env = {**os.environ, **settings, "PYTHONPATH": path}
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=env, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def test_pages_are_imported_when_they_are_asked_for_and_are_light() -> None:
    before, heavy, prefixes, views = plugin()
    assert (before, heavy, prefixes) == ([], [], ["/lumbung"])
    assert {view["destination"] for view in views} == {"nav", "dag", "dag_run"}
    routes = [view["url_route"] for view in views]
    assert len(set(routes)) == len(routes)


def test_looker_studio_opens_in_a_tab_of_its_own() -> None:
    *_, views = plugin(LUMBUNG_PROJECT="my-project", BIGQUERY_EMULATOR_HOST="")
    (link,) = [view for view in views if view["name"] == "Looker Studio"]
    assert link["href"].startswith("https://lookerstudio.google.com/")
    assert "my-project" in link["href"]
    assert link["destination"] == "nav"
    assert "url_route" not in link
