"""Random rows: every query on Google's engine and on the local server."""

from __future__ import annotations

from faults.environment import FaultEnvironment
from faults.result import Options, Result, scenario
from lumbung.catalog.contract import Catalog
from support import engines
from support.bigquery_client import connect


def run_engines(environment: FaultEnvironment, options: Options) -> Result:
    """Disturb the rows that queries read: nulls, doubled keys, no rows, odd texts, midnights; both engines agree."""
    with scenario("random rows on two engines") as result, connect(environment.bigquery.address) as client:
        catalog = Catalog(environment.catalog)
        for difference in engines.differences(client, catalog, options.rounds, options.seed):
            result.tries += 1
            result.faults += [difference] if difference else []
    return result
