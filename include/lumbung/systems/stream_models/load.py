"""Loads of what a version names: activities by day, models and their metrics by the version's day."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lumbung.catalog.contract import Contract
from lumbung.models.evaluate import BETTER
from lumbung.models.model_file import CLUSTERING, COMPLETION, RATING, RECOMMENDATION
from lumbung.pipeline.load import replace
from lumbung.pipeline.run import Run, Step
from lumbung.pipeline.target import Target
from lumbung.storage.columns import arrow_schema
from lumbung.storage.duck import engine, literal, parquet
from lumbung.storage.state import Marker
from lumbung.systems.stream_models.training import trained
from lumbung.systems.stream_models.version import ENTITY, TABLE, ModelVersion, version_of

KIND_OF = {
    "recall_at_20": RECOMMENDATION,
    "cluster_distance": CLUSTERING,
    "completion_log_loss": COMPLETION,
    "completion_auc": COMPLETION,
    "rating_rmse": RATING,
}
"""Which of a model's kinds each metric is about."""


def load(run: Run, contract: Contract, target: Target) -> Step:
    """Load a staging table of the target's version; what a newer version has loaded or is loading stays."""
    version = version_of(run, target)
    if contract.address == TABLE:
        return _load_activities(run, contract, target, version)
    rows = _models(run, version) if contract.table == "model" else _metrics(version)
    return _load_version(run, contract, target, rows)


def _load_activities(run: Run, contract: Contract, target: Target, version: ModelVersion) -> Step:
    rows = loaded = 0
    seconds, job_id = 0.0, None
    with run.lake.lease(f"load/{TABLE}"), ExitStack() as stack:
        created = run.warehouse.created(run.warehouse.table(TABLE))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lumbung-")))
        files = _Files(run, version, stack)
        for day in target.changed:
            key = target.days[day]
            marker = run.state.marker(ENTITY, day)
            holds_it = marker is not None and marker.key == key
            is_newer = marker is not None and marker.generation > target.generation and not holds_it
            if is_newer or (marker and holds_it and marker.is_loaded(created) and not run.refreshes(day)):
                continue
            file = folder / f"{day}.parquet"
            expected = _write_day(file, contract, day, files, version)
            job = replace(run, contract, day, file, rows=expected, marker=Marker(generation=target.generation, key=key))
            file.unlink()
            rows, loaded, seconds, job_id = rows + job.rows, loaded + 1, seconds + job.seconds, job.job_id
    return Step.written(TABLE, rows_out=rows, seconds=round(seconds, 3), job_id=job_id, note=f"{loaded} days loaded")


class _Files:
    """Local copies of a version's batch files, made when they are first asked for."""

    def __init__(self, run: Run, version: ModelVersion, stack: ExitStack) -> None:
        self._run, self._stack = run, stack
        self._batches = {batch.number: batch for batch in version.plan.batches}
        self._local: dict[int, Path] = {}

    def of(self, number: int) -> Path:
        """The file of a batch."""
        if number not in self._local:
            path = self._batches[number].file.path
            self._local[number] = self._stack.enter_context(self._run.lake.local(path))
        return self._local[number]


def _write_day(file: Path, contract: Contract, day: date, files: _Files, version: ModelVersion) -> int:
    """Write a day's activities of all batches, as staging has them; gives their number."""
    batches = version.days.get(day)
    if batches is None:
        pq.write_table(arrow_schema(contract).empty_table(), file)
        return 0
    selects = " UNION ALL ".join(
        f"SELECT {number} AS batch, file_row_number AS position, * EXCLUDE (file_row_number)"
        f" FROM {parquet(files.of(number))} WHERE {_DAY} = {literal(day)}::DATE"
        for number in batches.batches
    )
    columns = ", ".join(_column(column.name, column.type) for column in contract.columns)
    with engine(file.parent) as db:
        db.execute("SET TimeZone = 'UTC'")
        db.execute(
            f"COPY (SELECT {columns} FROM ({selects}) ORDER BY batch, position)"
            f" TO {literal(file)} (FORMAT parquet, COMPRESSION zstd)"
        )
    return batches.rows


# Jakarta has had no summer time since 1964.
_DAY = "(event_at AT TIME ZONE 'UTC' + INTERVAL 7 HOUR)::DATE"


def _column(name: str, kind: str) -> str:
    types = {"INT64": "BIGINT", "FLOAT64": "DOUBLE", "BOOL": "BOOLEAN", "STRING": "VARCHAR"}
    if name == "activity_date":
        return f"{_DAY} AS activity_date"
    return f"{name}::{types[kind]} AS {name}" if kind in types else name


def _load_version(run: Run, contract: Contract, target: Target, rows: list[dict[str, Any]]) -> Step:
    """Replace the partition of the version's day."""
    with run.lake.lease(f"load/{contract.address}"), tempfile.TemporaryDirectory(prefix="lumbung-") as folder:
        marker = run.state.marker(contract.table, target.day)
        if marker and marker.generation > target.generation:
            return Step(contract.address, rows_in=len(rows), rows_out=0, note="a newer version is loaded")
        file = Path(folder) / f"{contract.table}.parquet"
        stamped = [{**row, "snapshot_date": target.day} for row in rows]
        pq.write_table(pa.Table.from_pylist(stamped, arrow_schema(contract)), file)
        marker = Marker(generation=target.generation)
        job = replace(run, contract, target.day, file, rows=len(rows), marker=marker)
    return Step.written(contract.address, rows_in=len(rows), rows_out=job.rows, seconds=job.seconds, job_id=job.job_id)


def _models(run: Run, version: ModelVersion) -> list[dict[str, Any]]:
    rows = []
    for model in version.models:
        training = trained(run.lake, model.key)
        assert training, "a version names only what is trained"
        rows.append(
            {
                "model_id": model.id,
                "scheme": model.scheme,
                "number": model.number,
                "first_batch": model.batches[0],
                "batch_count": len(model.batches),
                "row_count": training.rows,
                "kinds": model.kinds,
                "basis": model.basis,
                "model_key": model.key,
                "trainer": training.trainer,
                "engine": training.engine,
                "training_seconds": training.seconds,
                "trained_at": training.trained_at,
                "sha256": model.file.sha256,
            }
        )
    return rows


def _metrics(version: ModelVersion) -> list[dict[str, Any]]:
    """A row for each metric of each model's kinds, also where it is not measured."""
    rows = []
    for model in version.models:
        for name, better in BETTER.items():
            kind, measured = KIND_OF[name], model.metrics.get(name)
            if kind in model.kinds:
                rows.append(
                    {
                        "model_id": model.id,
                        "kind": kind,
                        "metric": name,
                        "better": better,
                        "batch": measured and measured.batch,
                        "measured_count": measured and measured.rows,
                        "value": measured and measured.value,
                        "baseline": measured and measured.baseline,
                        "truth": measured and measured.truth,
                    }
                )
    return rows
