"""How often a run changes a table, held against BigQuery's quotas of a table.

The local server is faster than BigQuery, so time is not measured: a job is taken to last a second, and what is between
jobs no time at all. A job on BigQuery takes longer.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from support.bigquery_recorder import Request

WINDOW = 10  # jobs, so seconds at least
STANDARD, PARTITIONED = 5, 50
PARTITIONS_OF_A_JOB = 4_000


@dataclass
class _Table:
    """Changes of a table by a run: the second of each, and how many of them write all of its rows."""

    seconds: list[int] = field(default_factory=list)
    jobs: int = 0
    writes: int = 0


class Changes:
    """The changes so far, by run and table."""

    def __init__(self) -> None:
        self.run = ""
        self.partitioned: set[str] = set()
        self.tables: defaultdict[tuple[str, str], _Table] = defaultdict(_Table)

    def faults(self, method: str | None, request: Request) -> Iterator[tuple[str, str]]:
        """The quota that a request goes beyond, and by what.

        Args:
            method: the request's method.
            request: what was sent.
        """
        body = request.body or {}
        if method == "jobs.insert":
            configuration = body["configuration"]
            self.run = configuration.get("labels", {}).get("run", self.run)
            for kind in configuration.keys() & {"load", "query", "copy"}:
                yield from self._job(configuration[kind])
        elif method == "tables.insert":
            yield from self._change(_name(body["tableReference"]), "timePartitioning" in body)
        elif method == "tables.patch":
            dataset, table = re.findall(r"/datasets/([^/]+)/tables/([^/]+)$", request.path)[0]
            yield from self._change(f"{dataset}.{table}")

    def _job(self, config: dict[str, Any]) -> Iterator[tuple[str, str]]:
        days = [len(given["parameterValue"].get("arrayValues", [])) for given in config.get("queryParameters", [])]
        if max(days, default=0) > PARTITIONS_OF_A_JOB:
            yield "partitions", f"{max(days)} days"
        if "destinationTable" not in config:
            return
        name, _, partition = _name(config["destinationTable"]).partition("$")
        sources = config.get("sourceTables") or [config[key] for key in ("sourceTable",) if key in config]
        is_partitioned = (
            bool(partition) or "timePartitioning" in config or bool({*map(_name, sources)} & self.partitioned)
        )
        table = self.tables[self.run, name]
        table.jobs += 1
        table.writes += not partition
        if table.writes > 1:
            yield "modifications", f"{name} {table.writes} times"
        yield from self._change(name, is_partitioned)

    def _change(self, name: str, is_partitioned: bool = False) -> Iterator[tuple[str, str]]:
        if is_partitioned:
            self.partitioned.add(name)
        table = self.tables[self.run, name]
        table.seconds.append(table.jobs)
        recent = sum(second > table.jobs - WINDOW for second in table.seconds)
        if recent > (PARTITIONED if name in self.partitioned else STANDARD):
            yield "rate", f"{name} {recent} times"


def _name(reference: dict[str, str]) -> str:
    return f"{reference['datasetId']}.{reference['tableId']}"
