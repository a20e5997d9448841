"""What each run sent and held back: kept in the lake for `ops.contract_event_run`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from lumbung.pipeline.operations import load_rows
from lumbung.pipeline.run import Run, Step
from lumbung.storage.lake import Lake
from lumbung.storage.manifest import Document
from lumbung.storage.warehouse import short
from lumbung.systems.contract_events.sending import ROOT, Content, Counts, Sending

RUNS = f"{ROOT}/runs"
TABLE = "ops.contract_event_run"
_SENT = ("insert", "update", "delete", "tombstone")


class RunRecord(Document):
    """A row of `ops.contract_event_run`; the columns are described there."""

    day: date
    run_id: str
    engine: str | None = None
    version_day: date | None = None
    version_generation: int | None = None
    sending: int | None = None
    insert_count: int = 0
    update_count: int = 0
    delete_count: int = 0
    tombstone_count: int = 0
    held_count: int = 0
    holds_removals: bool = False


def note_plan(run: Run, content: Content, engine: str | None, sent: Counts) -> None:
    """Keep which version a run is about.

    Args:
        run: the run.
        content: its plan, or the newest sending where there is nothing to send.
        engine: the Spark that made the events; None: none had to be made, or an earlier try of the run has made them.
        sent: messages of an unfinished sending that the run has completed.
    """
    before = _read(run)
    is_same = (before.version_day, before.version_generation) == content.order
    _write(
        run,
        RunRecord(
            day=run.day,
            run_id=run.run_id,
            engine=engine or (before.engine if is_same else None),
            version_day=content.day,
            version_generation=content.generation,
            held_count=content.counts.held,
            holds_removals=content.holds_removals,
            **_counted(sent),
        ),
    )


def note_sent(run: Run, sending: Sending, sent: Counts) -> None:
    """Keep what a run has sent, with what it has completed.

    Args:
        run: the run.
        sending: the newest one, which is that of the run's version.
        sent: all messages that it has sent.
    """
    _write(run, _read(run).model_copy(update={"sending": sending.generation, **_counted(sent)}))


def contract_event_run(run: Run) -> Step:
    """Rebuild the day's partition of `ops.contract_event_run` from what all of the day's runs have kept."""
    with run.lake.lease(f"load/{TABLE}"):
        rows = [record.model_dump() for record in _records(run.lake, run.day)]
        return load_rows(run, run.catalog[TABLE], rows, run.day)


def sent(lake: Lake, days: Iterable[date]) -> dict[str, int]:
    """How many messages of each operation, in capitals, the days' runs have sent, of any version.

    Args:
        lake: the lake.
        days: of the runs.
    """
    records = [record for day in days for record in _records(lake, day)]
    return {name.upper(): sum(getattr(record, f"{name}_count") for record in records) for name in _SENT}


def _records(lake: Lake, day: date) -> list[RunRecord]:
    folder = f"{RUNS}/dt={day}"
    contents = [lake.read(f"{folder}/{name}") for name in lake.names(folder)]
    return [RunRecord.model_validate_json(content) for content in contents if content]


def _counted(sent: Counts) -> dict[str, int]:
    return {f"{name}_count": getattr(sent, name) for name in _SENT}


def _read(run: Run) -> RunRecord:
    content = run.lake.read(_path(run))
    return RunRecord.model_validate_json(content) if content else RunRecord(day=run.day, run_id=run.run_id)


def _write(run: Run, record: RunRecord) -> None:
    run.lake.write(_path(run), record.model_dump_json(indent=2).encode())


def _path(run: Run) -> str:
    return f"{RUNS}/dt={run.day}/{short(run.run_id)}.json"
