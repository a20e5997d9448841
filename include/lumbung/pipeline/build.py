"""Build and audit: a table by its query, in the run's private build table."""

from __future__ import annotations

from typing import Any

from lumbung.catalog import query as sql
from lumbung.catalog.contract import Contract
from lumbung.pipeline.run import Run, Step
from lumbung.pipeline.snapshot import Target


def tables(run: Run) -> list[Contract]:
    """The tables that a run builds, in the order of their references."""
    return [one for one in sql.build_order(run.catalog.contracts.values()) if one.system == run.system]


def build(run: Run, contract: Contract, target: Target) -> Step:
    """Build a table and check it.

    A daily table is built from the run's own day, every other one from the target version's. Of an incremental one the
    days that changed are built; the others are taken from what is published, so the build has all of them.

    Raises:
        CheckError: a check of severity `fail` does not hold.
    """
    from lumbung.pipeline.publish import complete_own  # it imports this module

    complete_own(run)
    built = {one.address for one in run.catalog.queries(run.system)}

    def name(address: str) -> str:
        if address in built:
            return run.warehouse.build_table(address, run.run_id)
        return run.warehouse.table(address)

    labels = {**run.labels, "table": contract.table}
    day = run.day if contract.is_daily else target.day
    query = sql.render(contract, name)
    parameters: dict[str, Any] = {sql.VERSION: day}
    if contract.is_incremental:
        parameters = {sql.CHANGED: target.changed}
        if not target.is_whole:
            query = sql.with_other_days(contract, query, run.warehouse.table(contract.address))
    job = run.warehouse.build(contract, query, name(contract.address), parameters, labels)
    checks = {}
    if script := sql.audit(contract, name):
        run.warehouse.script(script, f"{contract.address}, day {day}", labels)
        checks = dict.fromkeys(sql.check_names(contract), "passed")
    if counts := sql.warnings(contract, name):
        for row in run.warehouse.rows(counts).to_pylist():
            checks[row["check"]] = f"warning: {row['violations']}" if row["violations"] else "passed"
    return Step.written(
        contract.address,
        rows_out=job.rows,
        bytes=job.bytes,
        seconds=job.seconds,
        job_id=job.job_id,
        checks=checks,
        note="; ".join(f"{check}: {result}" for check, result in checks.items() if result != "passed"),
    )
