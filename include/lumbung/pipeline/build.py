"""Build and audit: a table by its query, in the run's private build table."""

from __future__ import annotations

from typing import Any

from lumbung.catalog import audit, query
from lumbung.catalog.contract import Contract
from lumbung.pipeline.publish import complete_own
from lumbung.pipeline.run import Run, Step
from lumbung.pipeline.target import Target


def build(run: Run, contract: Contract, target: Target) -> Step:
    """Build a table and check it.

    A daily table is built from the run's own day, every other one from the target's. Of an incremental one the days
    that changed are built; the others are taken from what is published, so the build has all of them.

    Args:
        run: the run.
        contract: the table.
        target: the version that the whole tables are built from.

    Raises:
        CheckError: a check of severity `fail` does not hold.
    """
    complete_own(run)
    built = {table.address for table in run.tables}

    def name(address: str) -> str:
        if address in built:
            return run.warehouse.build_table(address, run.run_id)
        return run.warehouse.table(address)

    labels = {**run.labels, "table": contract.table}
    day = run.day if contract.is_daily else target.day
    statement = query.render(contract, name)
    parameters: dict[str, Any] = {query.SNAPSHOT_DATE: day}
    if contract.incremental:
        parameters = {contract.days_parameter: target.changed}
        if not target.is_whole:
            statement = query.with_other_days(contract, statement, run.warehouse.table(contract.address))
    job = run.warehouse.build(contract, statement, name(contract.address), parameters, labels)
    checks = {}
    if script := audit.script(contract, name):
        run.warehouse.script(script, f"{contract.address}, day {day}", labels)
        checks = dict.fromkeys(audit.check_names(contract), "passed")
    if counts := audit.warnings(contract, name):
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
