"""What the catalogue knows of each table: its contract, lineage and query, and what the last runs did with it."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Any, Literal

from lumbung.catalog import audit, lineage, query
from lumbung.catalog.contract import OWN_SYSTEM, Catalog, Contract, Severity
from lumbung.catalog.lineage import ColumnAddress, TableLineage
from lumbung.core.settings import Settings
from lumbung.pipeline.operations import AUDIT
from lumbung.serving import published
from lumbung.serving.reasons import error_without_values, names_of
from lumbung.serving.schema import FAILED, Freshness
from lumbung.storage.warehouse import Warehouse
from lumbung.systems.registry import all_systems

DAYS = 30
"""How many days back from the newest that is published runs are shown."""
FAILED_CHECK = re.compile(r"check (.+?) failed \(([0-9,]+) violations?\)", re.DOTALL)
"""A check that failed, in such a note, see `audit.outcomes`."""
Outcome = Literal["passed", "warning", "failed", "unknown"]


@dataclass(frozen=True)
class TableRun:
    """What the last run of a day did with a table.

    Attributes:
        day: the business day.
        run_id: Airflow's id of the run.
        task: the task.
        rows: rows written, or there already; None: none, as the task failed or skipped.
        rejected: rows rejected.
        seconds: how long the warehouse's job took.
        checks: what came of each check by its name; where the task failed, the violations of those that failed.
        note: what else a person should know; of an error what does not quote a row, as all may read the catalogue.
        started_at: when the task began.
    """

    day: date
    run_id: str
    task: str
    rows: int | None
    rejected: int | None
    seconds: float | None
    checks: Mapping[str, str]
    note: str
    started_at: datetime

    @property
    def failed(self) -> bool:
        """Whether the task failed."""
        return self.note.startswith(FAILED)


@dataclass(frozen=True)
class CheckResult:
    """A check and what came of it last.

    `outcome` is `unknown` where other checks failed, as the record names only those; None where no run has looked yet.
    """

    name: str
    severity: Severity
    outcome: Outcome | None = None
    violations: int = 0


@dataclass(frozen=True)
class TableEntry:
    """All that is known of a table.

    Attributes:
        contract: its contract.
        lineage: where its columns come from.
        sql: its query; None: it is loaded.
        upstream: the tables that its query reads.
        downstream: the tables whose queries read it.
        runs: the last run of each day that has one, the newest day first.
        checks: its checks with their last results.
    """

    contract: Contract
    lineage: TableLineage
    sql: str | None
    upstream: list[str]
    downstream: list[str]
    runs: list[TableRun]
    checks: list[CheckResult]

    @property
    def address(self) -> str:
        """`<dataset>.<table>`."""
        return self.contract.address

    @property
    def last(self) -> TableRun | None:
        """The newest day's run."""
        return self.runs[0] if self.runs else None

    @property
    def counted(self) -> TableRun | None:
        """The newest day's run that wrote it, or found it there, and so counted its rows."""
        return next((run for run in self.runs if run.rows is not None), None)

    @property
    def checked(self) -> TableRun | None:
        """The newest day's run that checked it; `checks` has its results."""
        return last_checked(self.runs)

    @property
    def points(self) -> list[tuple[date, int]]:
        """Rows by day, in the order of days."""
        return [(run.day, run.rows) for run in reversed(self.runs) if run.rows is not None]

    @property
    def most(self) -> int:
        """The most rows of any day."""
        return max((rows for _, rows in self.points), default=0)

    @property
    def worst(self) -> Outcome | None:
        """The worst of its checks' last results, or that the last run failed; None: nothing has been checked."""
        outcomes = {check.outcome for check in self.checks}
        if self.last and self.last.failed:
            return "failed"
        return next((each for each in ("failed", "warning", "passed") if each in outcomes), None)


@dataclass(frozen=True)
class SystemEntry:
    """A system, and how fresh what it has published is; None: nothing is published, or that is not known."""

    name: str
    label: str
    freshness: Freshness | None = None


@dataclass(frozen=True)
class Entries:
    """All that the catalogue shows.

    Attributes:
        tables: every table, by address.
        systems: every system that has a table, in the order of the report.
        made_at: when this was read.
        settings: where the tables are.
        absent: why there are no figures of runs; empty: they are there.
    """

    tables: dict[str, TableEntry]
    systems: list[SystemEntry]
    made_at: datetime
    settings: Settings
    absent: str = ""

    @cached_property
    def readers(self) -> dict[ColumnAddress, list[ColumnAddress]]:
        """The columns that are made of each column."""
        return lineage.readers({address: table.lineage for address, table in self.tables.items()})

    @property
    def column_count(self) -> int:
        """Columns of all tables."""
        return sum(len(table.contract.columns) for table in self.tables.values())

    @property
    def check_count(self) -> int:
        """Checks of all tables."""
        return sum(len(table.checks) for table in self.tables.values())

    def made_of(self, table: str, column: str) -> list[ColumnAddress]:
        """The columns that are made of a column."""
        return self.readers.get(ColumnAddress(table, column), [])

    def sources(self, address: str) -> list[str]:
        """What the table is made of at last: files and tables of other systems, or staging tables of the program's."""
        found: dict[str, None] = {}
        seen, waiting = set(), [address]
        while waiting:
            table = self.tables[waiting.pop(0)]
            if table.address not in seen:
                seen.add(table.address)
                waiting += table.upstream
                if table.lineage.source:
                    found[table.lineage.source] = None
        return list(found)


def collect(
    warehouse: Warehouse | None,
    settings: Settings,
    catalog: Catalog | None = None,
    *,
    absent: str = "no warehouse was asked",
) -> Entries:
    """Read all that the catalogue shows.

    Args:
        warehouse: where tables are published; None: nothing is said of runs.
        settings: where the tables are.
        catalog: the contracts; None: the project's.
        absent: why the warehouse's figures are missing.

    Raises:
        LumbungError: the warehouse does not answer. Where nothing is published yet, `absent` says so.
    """
    catalog = catalog or Catalog()
    runs: Mapping[str, list[TableRun]] = {}
    freshness: list[Freshness] = []
    if warehouse:
        try:
            freshness = published.freshness(warehouse)
            newest = max(row.published_day for row in freshness)
            runs, absent = _runs(warehouse, newest, names_of(catalog.contracts.values())), ""
        except published.UnpublishedError as error:
            absent = str(error)
    lineages = lineage.of_catalog(catalog)
    contracts = catalog.contracts.values()
    upstream = {c.address: sorted(query.upstreams(c)) if c.sql_path.exists() else [] for c in contracts}
    downstream = defaultdict(list)
    for address, read in upstream.items():
        for other in read:
            downstream[other].append(address)
    tables = {
        contract.address: TableEntry(
            contract=contract,
            lineage=lineages[contract.address],
            sql=contract.sql_path.read_text() if contract.sql_path.exists() else None,
            upstream=upstream[contract.address],
            downstream=sorted(downstream[contract.address]),
            runs=runs.get(contract.address, []),
            checks=results(contract, runs.get(contract.address, [])),
        )
        for contract in contracts
    }
    return Entries(tables, _systems(contracts, freshness), datetime.now(UTC), settings, absent)


def _systems(contracts: Iterable[Contract], freshness: Iterable[Freshness]) -> list[SystemEntry]:
    names = {contract.system for contract in contracts}
    by_name = {row.system: row for row in freshness}
    labels = {system.name: system.label for system in sorted(all_systems(), key=lambda system: system.position)}
    # What no folder of a system stands for comes last: the program's own tables.
    order = [name for name in labels if name in names] + sorted(names - labels.keys())
    own = {OWN_SYSTEM: "Lumbung"}
    return [SystemEntry(name, labels.get(name) or own.get(name, name), by_name.get(name)) for name in order]


def _runs(warehouse: Warehouse, newest: date, names: Collection[str]) -> dict[str, list[TableRun]]:
    """Of each table the last task of each day that said something of its rows, the newest day first.

    Args:
        warehouse: where the records are.
        newest: the newest day that is published; later ones may have failed.
        names: names of contracts, which the notes of errors may show.
    """
    first = newest - timedelta(days=DAYS - 1)
    rows = published.rows(
        warehouse,
        "SELECT table_name, day, run_id, task, rows_out, rows_rejected, seconds, checks, note, started_at FROM {0}"
        f" WHERE day >= '{first}' AND (rows_out IS NOT NULL OR note LIKE '{FAILED}%') ORDER BY day DESC, started_at",
        AUDIT,
    )
    runs: defaultdict[str, dict[date, TableRun]] = defaultdict(dict)
    for row in rows:
        note = row["note"] or ""
        failed = note.startswith(FAILED)
        # The names of checks may have quotes, which a note that is shown has not.
        checks = dict(FAILED_CHECK.findall(note)) if failed else json.loads(row["checks"] or "{}")
        runs[row["table_name"]][row["day"]] = TableRun(
            day=row["day"],
            run_id=row["run_id"],
            task=row["task"],
            rows=row["rows_out"],
            rejected=row["rows_rejected"],
            seconds=row["seconds"],
            checks=checks,
            note=error_without_values(note, names) if failed else note,
            started_at=row["started_at"],
        )
    return {table: list(days.values()) for table, days in runs.items()}


def last_checked(runs: Iterable[TableRun]) -> TableRun | None:
    """The first of these runs that checked the table."""
    return next((run for run in runs if run.checks), None)


def results(contract: Contract, runs: list[TableRun]) -> list[CheckResult]:
    """The checks of a table, each with what came of it in the newest run that looked.

    Args:
        contract: the table.
        runs: its runs, the newest first.
    """
    checks = audit.checks(contract) if contract.sql_path.exists() else {}  # of a source, bad rows are rejected
    run = last_checked(runs)
    return [_result(name, check.severity, run) for name, check in checks.items()]


def _result(name: str, severity: Severity, run: TableRun | None) -> CheckResult:
    """The result that a run's record has of a check."""
    if run is None:
        return CheckResult(name, severity)
    outcome = run.checks.get(name)
    if outcome is None:
        return CheckResult(name, severity, "unknown" if run.failed else None)
    if run.failed:
        return CheckResult(name, severity, "failed", int(outcome.replace(",", "")))
    if outcome == audit.PASSED:
        return CheckResult(name, severity, "passed")
    return CheckResult(name, severity, "warning", int(outcome.rpartition(" ")[2]))


def to_json(entries: Entries) -> dict[str, Any]:
    """All that the catalogue shows, for programs."""
    return {
        "made_at": entries.made_at.isoformat(),
        "absent": entries.absent,
        "systems": [
            {"name": each.name, "label": each.label, "freshness": each.freshness and each.freshness.to_json()}
            for each in entries.systems
        ],
        "tables": [_table(entries, table) for table in entries.tables.values()],
    }


def _table(entries: Entries, table: TableEntry) -> dict[str, Any]:
    contract = table.contract
    columns = []
    for column in contract.columns:
        made = table.lineage.columns[column.name]
        columns.append(
            {
                "name": column.name,
                "type": column.type,
                "required": column.required,
                "description": column.description,
                "field": made.field,
                "expression": made.expression,
                "copied": made.copied,
                "upstream": sorted(map(str, made.origins.columns)),
                "counted": sorted(made.origins.counted),
                "untraced": sorted(made.origins.untraced),
                "downstream": [str(reader) for reader in entries.made_of(contract.address, column.name)],
            }
        )
    return {
        "address": contract.address,
        "system": contract.system,
        "description": contract.description,
        "grain": contract.grain,
        "key": contract.key,
        "partition": contract.partition,
        "incremental": contract.incremental,
        "source": contract.source and contract.source.model_dump(mode="json", exclude_none=True),
        "columns": columns,
        "conditions": sorted(map(str, table.lineage.conditions.columns)),
        "upstream": table.upstream,
        "downstream": table.downstream,
        "sources": entries.sources(contract.address),
        "sql": table.sql,
        "checks": [
            {"name": each.name, "severity": each.severity, "outcome": each.outcome, "violations": each.violations}
            for each in table.checks
        ],
        "runs": [
            {
                "day": f"{run.day}",
                "run_id": run.run_id,
                "task": run.task,
                "rows": run.rows,
                "rejected": run.rejected,
                "seconds": run.seconds,
                "note": run.note,
                "started_at": run.started_at.isoformat(),
            }
            for run in table.runs
        ],
    }
