"""Build and audit: a table by its query, in the run's private build table; or nothing, where it is there already."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import date

from lumbung.catalog import audit, query
from lumbung.catalog.contract import Contract
from lumbung.pipeline import unchanged
from lumbung.pipeline.publish import complete_own
from lumbung.pipeline.run import Run, Step
from lumbung.pipeline.target import Target
from lumbung.storage.state import Build
from lumbung.storage.warehouse import Warehouse, short

UNCHANGED = "unchanged, not built again"
NOT_RUN = f"-- {UNCHANGED}: this is the query of what is published."

Show = Callable[[str, Mapping[str, str]], None]
"""Is given a table's query before it is run, and its parameters by name."""


def build(run: Run, contract: Contract, target: Target, show: Show = lambda *_: None) -> Step:
    """Build a table and check it, unless what is published is what the run would build.

    A daily table is built from the run's own day, every other one from the target's. Of an incremental one the days
    that changed are built; the others are taken from what is published, so the build has all of them.

    Args:
        run: the run.
        contract: the table.
        target: the version that the whole tables are built from.
        show: is given the query.

    Returns:
        What was built; of a table that is not built again the rows that it has, and the checks of its build.

    Raises:
        CheckError: a check of severity `fail` does not hold.
    """
    complete_own(run)
    if published := unchanged.published(run, contract, target):
        run.state.delete_build(short(run.run_id), run.day, contract.address)  # of an earlier try of the run
        show(f"{NOT_RUN}\n{query.render(contract, run.warehouse.table)}", _texts(_parameters(run, contract, target)))
        note = "; ".join([UNCHANGED, *_warnings(published.checks)])
        return Step(contract.address, rows_out=published.rows, checks=published.checks, note=note)
    return _build(run, contract, target, show)


def check(
    warehouse: Warehouse, contract: Contract, names: query.Names, where: str, labels: Mapping[str, str]
) -> dict[str, str]:
    """Run all checks of a table by one query: what came of each, by its name.

    Args:
        warehouse: where the table is.
        contract: the table.
        names: gives each address the full name of the table to look at.
        where: the table and day, for errors.
        labels: the job's labels.

    Raises:
        CheckError: checks of severity `fail` do not hold.
    """
    counts = audit.query(contract, names)
    if counts is None:
        return {}
    (violations,) = warehouse.rows(counts, where=where, labels=labels).to_pylist()
    return audit.outcomes(contract, list(violations.values()), where)


def _build(run: Run, contract: Contract, target: Target, show: Show = lambda *_: None) -> Step:
    private = {contract.address}
    for table in run.tables:
        if table.address not in query.dependencies(contract):
            continue
        if run.state.build(short(run.run_id), run.day, table.address):
            private.add(table.address)
        elif contract.is_daily and table.is_daily:
            _build(run, table, target)  # what is published of it has other days too, and checks compare all rows
            private.add(table.address)

    def name(address: str) -> str:
        return run.warehouse.build_table(address, run.run_id) if address in private else run.warehouse.table(address)

    labels = {**run.labels, "table": contract.table}
    day = run.day if contract.is_daily else target.day
    statement, parameters = query.render(contract, name), _parameters(run, contract, target)
    if contract.incremental and not target.is_whole:
        statement = query.with_other_days(contract, statement, run.warehouse.table(contract.address))
    show(statement, _texts(parameters))
    key, staged = unchanged.key(run, contract, target), unchanged.staged(run, contract, target)
    job = run.warehouse.build(contract, statement, name(contract.address), parameters, labels)
    checks = check(run.warehouse, contract, name, f"{contract.address}, day {day}", labels)
    if not _read_what_was_loaded(run, private - {contract.address}, staged):
        key = None
    run.state.write_build(
        short(run.run_id),
        run.day,
        contract.address,
        Build(key=key, rows=job.rows, checks=checks, run_id=run.run_id),
    )
    return Step.written(
        contract.address,
        rows_out=job.rows,
        bytes=job.bytes,
        seconds=job.seconds,
        job_id=job.job_id,
        checks=checks,
        note="; ".join(_warnings(checks)),
        sql=statement,
        parameters=_texts(parameters),
    )


def _parameters(run: Run, contract: Contract, target: Target) -> dict[str, date | list[date]]:
    """The parameters of a table's query."""
    if contract.incremental:
        return {contract.days_parameter: target.changed}
    return {query.SNAPSHOT_DATE: run.day if contract.is_daily else target.day}


def _texts(parameters: Mapping[str, date | list[date]]) -> dict[str, str]:
    return {
        name: ", ".join(map(str, value)) if isinstance(value, list) else f"{value}"
        for name, value in parameters.items()
    }


def _read_what_was_loaded(run: Run, builds: Collection[str], staged: Mapping[str, str]) -> bool:
    """Whether a table was built from what its key names: nobody has changed a staging table since it was loaded.

    Args:
        run: the run.
        builds: the addresses of the run's builds that it was built from.
        staged: what `unchanged.staged` gave before it was built.
    """
    documents = [run.state.build(short(run.run_id), run.day, address) for address in builds]
    return all(document and document.key for document in documents) and all(
        unchanged.is_untouched(run, run.catalog[address], series) for address, series in staged.items()
    )


def _warnings(checks: Mapping[str, str]) -> list[str]:
    return [f"{name}: {outcome}" for name, outcome in checks.items() if outcome != audit.PASSED]
