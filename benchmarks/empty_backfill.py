"""A backfill of a DAG whose tasks do nothing, as `lumbung backfill` does it: `… HOME DAGS FIRST LAST`."""

import os
import sys
from datetime import date
from pathlib import Path

from lumbung.core.settings import Settings
from lumbung.local import services
from lumbung.local.airflow_environment import DAGS_VARIABLE
from lumbung.orchestrator.backfill import backfill
from lumbung.orchestrator.up import started


def main(home: str, dags: str, first: str, last: str) -> None:
    """Run the days; each must succeed."""
    os.environ[DAGS_VARIABLE] = dags
    settings, start, end = Settings.of(home=Path(home)), date.fromisoformat(first), date.fromisoformat(last)
    with services.running(settings) as addresses, started(settings, addresses) as api:
        results = backfill(api, "nothing", start, end, reverse=False, parallel=4, progress=lambda *_: None)
    if set(results.values()) != {"success"}:
        raise SystemExit(f"{results}")


main(*sys.argv[1:])
