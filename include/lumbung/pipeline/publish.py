"""Publish: all tables of a run at once, by copy jobs, and never over a newer version.

What is about to be published is written down first, so a killed publish is completed by the next run. Only versions
decide what is newer: the whole tables' day and generation, a daily partition's generation.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from lumbung.catalog.contract import Contract
from lumbung.core.errors import LumbungError
from lumbung.pipeline import operations as ledger
from lumbung.pipeline.build import tables
from lumbung.pipeline.load import unchanged
from lumbung.pipeline.run import Run, Step
from lumbung.pipeline.snapshot import Target
from lumbung.storage.warehouse import PARTITION_KEY, new_job_id

SUPERSEDED = "skipped: superseded"


def publish(run: Run, own: Target, target: Target) -> Step:
    """Publish the run's builds.

    Args:
        run: the run; its tables are built and audited.
        own: the version of the run's day, for the daily tables.
        target: the version the other tables are built from.

    Returns:
        What was published. The note says `skipped: superseded` for what a newer version had replaced already.
    """
    with run.lake.lease(f"publish/{run.system}"):
        _refuse_older(target, _complete(run))
        contracts = tables(run)
        whole = [one for one in contracts if not one.is_daily] if _may_replace(run, target, whole=True) else []
        daily = [one for one in contracts if one.is_daily] if _may_replace(run, own, whole=False) else []
        pairs = [*_pairs(run, whole), *_pairs(run, daily)]
        seconds = 0.0
        if pairs:
            pending = {
                "run_id": run.run_id,
                "pairs": pairs,
                "jobs": [],
                "whole": _published(run, target) if whole else None,
                "daily": _published(run, own) if daily else None,
            }
            seconds = _finish(run, pending)
    skipped = [] if whole else ["whole tables"]
    skipped += [] if daily or all(not one.is_daily for one in contracts) else [f"daily tables of {run.day}"]
    return Step.written(
        f"{run.system} tables",
        rows_out=len(pairs),
        seconds=round(seconds, 3),
        note="; ".join(f"{what} {SUPERSEDED}" for what in skipped),
    )


def drop_builds(run: Run) -> None:
    """Delete the run's private build tables, unless its publish was killed: the next run completes it from them."""
    with run.lake.lease(f"publish/{run.system}"):
        if _is_pending(run):
            return
        for contract in run.catalog.queries(run.system):
            run.warehouse.drop(run.warehouse.build_table(contract.address, run.run_id))


def complete_own(run: Run) -> None:
    """Complete the run's own publish that was killed, before its build tables are replaced by other rows."""
    if _is_pending(run):
        with run.lake.lease(f"publish/{run.system}"):
            _complete(run)


def published(run: Run) -> dict[str, Any] | None:
    """What is published of the system's whole tables: day, generation, times; None: nothing yet."""
    found: dict[str, Any] | None = run.lake.read_json(f"{run.state}/published.json")
    return found


def _may_replace(run: Run, version: Target, *, whole: bool) -> bool:
    there = run.lake.read_json(f"{run.state}/{_name(whole, version)}.json")
    newer = there and (there["day"], there["generation"]) > (f"{version.day}", version.generation)
    return not newer and unchanged(run, version)


def _name(whole: bool, version: Target) -> str:
    return "published" if whole else f"daily/dt={version.day}"


def _pairs(run: Run, contracts: Sequence[Contract]) -> list[tuple[str, str]]:
    pairs = []
    for one in contracts:
        partition = f"${run.day.strftime(PARTITION_KEY)}" if one.is_daily else ""
        build = run.warehouse.build_table(one.address, run.run_id)
        pairs.append((build + partition, run.warehouse.table(one.address) + partition))
    return pairs


def _published(run: Run, version: Target) -> dict[str, Any]:
    return {
        "system": run.system,
        "day": f"{version.day}",
        "generation": version.generation,
        "extracted_at": version.extracted_at.isoformat(),
        "provisional": version.provisional,
        "run_id": run.run_id,
        **version.facts,
    }


def _write(run: Run, name: str, content: dict[str, Any]) -> None:
    run.lake.write(f"{run.state}/{name}.json", json.dumps(content, indent=2).encode())


def _complete(run: Run) -> dict[str, Any] | None:
    """Finish what a killed run was publishing; what it was, if its build tables have expired."""
    pending: dict[str, Any] | None = run.lake.read_json(f"{run.state}/pending.json")
    if pending is None:
        return None
    if not all(run.warehouse.exists(source.split("$")[0]) for source, _ in pending["pairs"]):
        run.warehouse.settle(pending["jobs"])
        return pending
    _finish(run, pending)
    return None


def _is_pending(run: Run) -> bool:
    pending = run.lake.read_json(f"{run.state}/pending.json")
    return pending is not None and pending["run_id"] == run.run_id


def _refuse_older(target: Target, lost: dict[str, Any] | None) -> None:
    """What a killed publish had begun, and cannot end, is replaced by a run that is not older only."""
    whole = lost and lost["whole"]
    if lost and whole and (whole["day"], whole["generation"]) > (f"{target.day}", target.generation):
        raise LumbungError(
            "a publish was killed and its build tables are gone",
            where=f"{target.system}, run {lost['run_id']}",
            remedy=f"run day {whole['day']} again",
        )


def _finish(run: Run, pending: dict[str, Any]) -> float:
    run.warehouse.settle(pending["jobs"])
    pending = {**pending, "jobs": [new_job_id("publish", target) for _, target in pending["pairs"]]}
    _write(run, "pending", pending)
    targets = {target.split("$")[0] for _, target in pending["pairs"]}
    contracts = [one for one in tables(run) if run.warehouse.table(one.address) in targets]
    for contract in contracts:
        if contract.is_daily:
            run.warehouse.ensure_table(contract)
    jobs = run.warehouse.copy(pending["pairs"], run.labels, pending["jobs"])
    for contract in contracts:
        run.warehouse.describe(contract, {"layer": contract.dataset})
    for whole in (True, False):
        if facts := pending["whole" if whole else "daily"]:
            name = "published" if whole else f"daily/dt={facts['day']}"
            _write(run, name, {**facts, "published_at": datetime.now(UTC).isoformat()})
    ledger.load_freshness(run)
    run.lake.delete(f"{run.state}/pending.json")
    return max(job.seconds for job in jobs)
