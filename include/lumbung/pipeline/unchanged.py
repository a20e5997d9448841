"""What need not be done again: which tables and partitions hold what a run would write, known by checksums.

A table's key names all that it is made from: its query, its checks, its contract, its parameters and the content of the
tables that it reads. A published table is left as it is where its key is the one that the run would build, and nobody
but Lumbung has changed the table since. Staging partitions are kept in the same way, by the checksum of their file.

That nobody else has changed a table is read off its time of last change, which BigQuery moves with every write: each
write of ours keeps it with a series, an id that goes on from write to write as long as nobody else comes in between. So
a partition stays known while other partitions of its table are written. A write that was killed ends the series.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from datetime import date

from lumbung.catalog import audit, query
from lumbung.catalog.contract import Contract
from lumbung.pipeline.run import Run
from lumbung.pipeline.target import Target
from lumbung.storage.stamp import Stamp
from lumbung.storage.state import Build, LastWrite


def key(run: Run, contract: Contract, target: Target) -> str | None:
    """Names what a table of the run would be made from now; None: not all of that has a checksum.

    Args:
        run: the run.
        contract: a table that is made by a query.
        target: the version that the whole tables are built from.
    """
    return _key(run, contract, target, {})


def published(run: Run, contract: Contract, target: Target) -> Build | None:
    """The published build of a table, where it is what the run would build and is there unchanged; else None.

    Args:
        run: the run.
        contract: a table that is made by a query.
        target: the version that the whole tables are built from.
    """
    if target.changed and _reads_days(run, contract):  # days are rebuilt, perhaps by a refresh, under the same key
        return None
    documents = run.state.published_day(run.day) if contract.is_daily else run.state.published()
    build = documents.builds.get(contract.address) if documents else None
    if build is None or build.key is None or not is_untouched(run, contract, build.series):
        return None
    return build if build.key == key(run, contract, target) else None


def series(run: Run, contract: Contract) -> str:
    """The series that the next write to a table belongs to; nobody else of us writes to it meanwhile."""
    last, stamp = run.state.last_write(contract.address), run.warehouse.stamp(run.warehouse.table(contract.address))
    return last.series if last and stamp and last.modified == stamp.modified else uuid.uuid4().hex


def keep_series(run: Run, contract: Contract, stamp: Stamp, series: str) -> None:
    """Keep that a table was written.

    Args:
        run: the run.
        contract: the table.
        stamp: its times after the write.
        series: what `series` gave before the write.
    """
    run.state.write_last_write(contract.address, LastWrite(modified=stamp.modified, series=series))


def staged(run: Run, contract: Contract, target: Target) -> dict[str, str]:
    """The series of the staging partitions that a table's query reads, by the addresses of their tables.

    Args:
        run: the run.
        contract: a table that is made by a query.
        target: the version that the whole tables are built from.
    """
    series = {}
    for address in sorted(query.dependencies(contract)):
        read = run.catalog[address]
        if not read.sql_path.exists() and not read.incremental:
            marker = run.state.marker(read.table, _day(run, contract, target))
            series[address] = marker.series if marker else ""
    return series


def is_untouched(run: Run, contract: Contract, series: str) -> bool:
    """Whether only we have written to a table since what was written in a series."""
    last = run.state.last_write(contract.address)
    if last is None or last.series != series:
        return False
    stamp = run.warehouse.stamp(run.warehouse.table(contract.address))
    return stamp is not None and stamp.modified == last.modified


def _key(run: Run, contract: Contract, target: Target, known: dict[str, str | None]) -> str | None:
    """The key of a table, and of those that it reads; `known` has the keys that are computed already."""
    if contract.address not in known:
        inputs = {
            address: _input(run, contract, run.catalog[address], target, known)
            for address in sorted(query.dependencies(contract))
        }
        known[contract.address] = None if None in inputs.values() else _digest(run, contract, target, inputs)
    return known[contract.address]


def _digest(run: Run, contract: Contract, target: Target, inputs: dict[str, str | None]) -> str:
    statement = query.render(contract, str)
    parts = {
        "contract": contract.model_dump(mode="json", exclude={"path"}),
        "query": statement,
        "checks": audit.query(contract, str),
        # Only what the query says: a table that reads others only is the same on another day.
        "day": f"{_day(run, contract, target)}" if f"@{query.SNAPSHOT_DATE}" in statement else None,
        "inputs": inputs,
    }
    if contract.incremental:
        parts |= {"rules": target.rules, "days": {f"{day}": made_from for day, made_from in target.days.items()}}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _input(run: Run, contract: Contract, read: Contract, target: Target, known: dict[str, str | None]) -> str | None:
    """Names the content of a table that a query reads."""
    if read.sql_path.exists():
        return _key(run, read, target, known)
    if contract.incremental and read.incremental:
        return ""  # the target's days say it
    if read.partition != query.SNAPSHOT_DATE:
        return None
    marker = run.state.marker(read.table, _day(run, contract, target))
    if marker is None or not marker.loaded:
        return None
    return marker.content or (f"{marker.key}, generation {marker.generation}" if marker.key else None)


def _day(run: Run, contract: Contract, target: Target) -> date:
    return run.day if contract.is_daily else target.day


def _reads_days(run: Run, contract: Contract) -> bool:
    """Whether a table is incremental, or made from one that is."""
    if contract.incremental:
        return True
    return any(
        _reads_days(run, run.catalog[address])
        for address in query.dependencies(contract)
        if run.catalog[address].sql_path.exists()
    )
