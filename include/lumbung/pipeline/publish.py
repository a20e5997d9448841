"""Publish: all tables of a run together, by copy jobs, and never over a newer version.

Each table is replaced atomically; all of them within a short time, and `datamart.freshness` after them. Readers who
need one version of several tables at any time have the views of `lumbung.pipeline.consistent`.

What is about to be published is written down first, so a killed publish is completed by the next run. Only versions
decide what is newer: the whole tables' day and generation, a daily partition's generation.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime

from lumbung.catalog.contract import Contract
from lumbung.core.errors import LumbungError
from lumbung.pipeline import consistent, operations, unchanged
from lumbung.pipeline.load import is_unchanged
from lumbung.pipeline.run import Run, Step
from lumbung.pipeline.target import Target
from lumbung.storage import job_config
from lumbung.storage.state import Build, Pending, Published
from lumbung.storage.warehouse import PARTITION_KEY, short

SUPERSEDED = "skipped: superseded"


def publish(run: Run, own: Target, target: Target) -> Step:
    """Publish the run's builds; a table that was not built again is not copied, and belongs to the new version too.

    Args:
        run: the run; its tables are built and audited, or published unchanged.
        own: the version of the run's day, for the daily tables.
        target: the version the other tables are built from.

    Returns:
        How many tables were copied; skipped where nothing was published. The note says `skipped: superseded` for what a
        newer version had replaced already.

    Raises:
        LumbungError: a killed publish of a newer version cannot be completed, as its build tables are gone; or somebody
            changed a table that the run had found unchanged.
    """
    with run.lake.lease(f"publish/{run.system}"):
        _refuse_older(target, _complete(run))
        replaces_whole = _may_replace(run, target, run.state.published())
        replaces_daily = _may_replace(run, own, run.state.published_day(own.day))
        whole = [table for table in run.tables if not table.is_daily] if replaces_whole else []
        daily = [table for table in run.tables if table.is_daily] if replaces_daily else []
        builds = {table.address: _build(run, table, target) for table in (*whole, *daily)}
        copies = pairs(run, [table for table in (*whole, *daily) if not builds[table.address].series])
        seconds = 0.0
        if builds:
            seconds = finish(
                run,
                Pending(
                    run_id=run.run_id,
                    pairs=copies,
                    jobs=[],
                    whole=target.published(run.run_id, _of(builds, whole)) if whole else None,
                    daily=own.published(run.run_id, _of(builds, daily)) if daily else None,
                ),
            )
    superseded = [] if whole else ["whole tables"]
    superseded += [] if daily or not any(table.is_daily for table in run.tables) else [f"daily tables of {run.day}"]
    kept = len(builds) - len(copies)
    notes = [f"{kept} table{'' if kept == 1 else 's'} unchanged, not copied"] if kept else []
    notes += [f"{tables} {SUPERSEDED}" for tables in superseded]
    return Step.written(
        f"{run.system} tables",
        rows_out=len(copies),
        seconds=round(seconds, 3),
        note="; ".join(notes),
        skipped=not builds,
    )


def drop_builds(run: Run) -> None:
    """Delete the run's private build tables, unless its publish was killed: the next run completes it from them."""
    with run.lake.lease(f"publish/{run.system}"):
        if _is_own_pending(run):
            return
        run.state.delete_builds(short(run.run_id), run.day)
        for contract in run.tables:
            run.warehouse.drop(run.warehouse.build_table(contract.address, run.run_id))


def complete_own(run: Run) -> None:
    """Complete the run's own publish that was killed, before its build tables are replaced by other rows."""
    if _is_own_pending(run):
        with run.lake.lease(f"publish/{run.system}"):
            _complete(run)


def _may_replace(run: Run, version: Target, published: Published | None) -> bool:
    is_older = published is not None and published.order > version.order
    return not is_older and is_unchanged(run, version)


def _build(run: Run, contract: Contract, target: Target) -> Build:
    """The run's build of a table, or what is published where the run did not build it; the lease is held.

    Neither is there where somebody changed the table since, where the run's builds were dropped, or where the run was
    begun by another release of Lumbung.
    """
    build = run.state.build(short(run.run_id), run.day, contract.address)
    if build is None:
        build = unchanged.published(run, contract, target)
    if build is None:
        raise LumbungError(
            "the run has no build of it, and what is published differs from what it would build",
            where=f"{contract.address}, day {run.day if contract.is_daily else target.day}",
            remedy="run the day again",
        )
    return build


def _of(builds: dict[str, Build], tables: Sequence[Contract]) -> dict[str, Build]:
    return {table.address: builds[table.address] for table in tables}


def pairs(run: Run, contracts: Sequence[Contract]) -> list[tuple[str, str]]:
    """Each table's build and what it replaces, as pairs for `Warehouse.copy`.

    Args:
        run: the run.
        contracts: its tables; a daily one's pair is of the partition of the run's day.
    """
    copies = []
    for contract in contracts:
        partition = f"${run.day.strftime(PARTITION_KEY)}" if contract.is_daily else ""
        build = run.warehouse.build_table(contract.address, run.run_id)
        copies.append((build + partition, run.warehouse.table(contract.address) + partition))
    return copies


def _complete(run: Run) -> Pending | None:
    """Finish what a killed run was publishing; what it was, if its build tables have expired."""
    pending = run.state.pending()
    if pending is None:
        return None
    if not all(run.warehouse.exists(_table(build)) for build, _ in pending.pairs):
        run.warehouse.settle(pending.jobs)
        if pending.view_copy:  # it may have ended between the two writes that say which copies are read
            operations.load_freshness(run)
        return pending
    finish(run, pending)
    return None


def _is_own_pending(run: Run) -> bool:
    pending = run.state.pending()
    return pending is not None and pending.run_id == run.run_id


def _refuse_older(target: Target, lost: Pending | None) -> None:
    """What a killed publish had begun, and cannot end, is replaced only by a run that is not older."""
    if lost and lost.whole and lost.whole.order > target.order:
        raise LumbungError(
            "a publish was killed and its build tables are gone",
            where=f"{target.system}, run {lost.run_id}",
            remedy=f"run day {lost.whole.day} again",
        )


def finish(run: Run, pending: Pending) -> float:
    """Copy the build tables over the published ones, and write down what is published: seconds of the copies.

    A copy job of a killed process may still run; one that ended after a later copy would undo it. So the old jobs are
    waited for, and the ids of the new ones are written down before they are started.
    """
    run.warehouse.settle(pending.jobs)
    view_copy = consistent.next_copy(run, pending)
    targets = {_table(target) for _, target in pending.pairs}
    shown = consistent.shown(run, targets) if view_copy else []
    copies = consistent.pairs(run, shown, view_copy) if view_copy else []
    jobs, copy_jobs = _job_ids("publish", pending.pairs), _job_ids("consistent", copies)
    pending = pending.model_copy(update={"jobs": [*jobs, *copy_jobs], "view_copy": view_copy})
    run.state.write_pending(pending)
    contracts = [table for table in run.tables if run.warehouse.table(table.address) in targets]
    series = {contract.address: unchanged.series(run, contract) for contract in contracts}
    _forget(run, pending, series.keys())
    for contract in contracts:
        if contract.is_daily:
            run.warehouse.ensure_table(contract)
    finished = run.warehouse.copy(pending.pairs, run.labels, jobs)
    for contract in contracts:
        stamp = run.warehouse.describe(contract, {"layer": contract.dataset})
        unchanged.keep_series(run, contract, stamp, series[contract.address])
    if copies:
        run.warehouse.copy(copies, run.labels, copy_jobs)
    elif consistent.is_shown(run):
        consistent.remove(run)
    published_at = {"published_at": datetime.now(UTC)}
    if whole := pending.whole.model_copy(update=published_at) if pending.whole else run.state.published():
        run.state.write_published(_in_series(whole, series).model_copy(update={"view_copy": view_copy}))
    if pending.daily:
        run.state.write_published_day(_in_series(pending.daily, series).model_copy(update=published_at))
    operations.load_freshness(run)
    if view_copy and (outdated := consistent.outdated(run, shown)):
        # The view reads both copies, so both need the contract's columns; the one that is not shown gets them now.
        copies = consistent.pairs(run, shown, consistent.other(view_copy))
        ids = _job_ids("consistent", copies)
        run.state.write_pending(pending.model_copy(update={"jobs": ids}))
        run.warehouse.copy(copies, run.labels, ids)
        consistent.write_views(run, outdated)
    run.state.delete_pending()
    return max((job.seconds for job in finished), default=0.0)


def _forget(run: Run, pending: Pending, addresses: Collection[str]) -> None:
    """Nothing is said any more of what tables were built from that are about to be replaced."""
    documents = [(run.state.published(), run.state.write_published)]
    if pending.daily:
        documents.append((run.state.published_day(pending.daily.day), run.state.write_published_day))
    for published, write in documents:
        if published and published.builds.keys() & set(addresses):
            builds = {address: build for address, build in published.builds.items() if address not in addresses}
            write(published.model_copy(update={"builds": builds}))


def _in_series(published: Published, series: Mapping[str, str]) -> Published:
    """What is published, its builds with the series of the copies that were made."""
    builds = {
        address: build.model_copy(update={"series": series.get(address, build.series)})
        for address, build in published.builds.items()
    }
    return published.model_copy(update={"builds": builds})


def _job_ids(kind: str, pairs: Sequence[tuple[str, str]]) -> list[str]:
    return [job_config.new_id(kind, target) for _, target in pairs]


def _table(name: str) -> str:
    """The table of a full name that may name a partition."""
    return name.split("$")[0]
