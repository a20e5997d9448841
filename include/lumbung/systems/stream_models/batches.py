"""Batches: the stream of activity, cut into numbered files by count or by windows of time.

- By count, batch k holds (k-1)N ≤ seq < kN. It closes when it is full, and a shorter one at the end of the last replay
  that is landed completely; what comes later gives that batch a new generation.
- By windows of the append time, a batch closes when every partition is landed up to the end of its window, see
  `lumbung.stream.ticks`, or when all replays are landed and nothing is behind them.
- By windows of the events' own time, a batch closes when an event at its end or later has come, before any gap in
  `seq`, or likewise.

A row that comes late to a closed window gives that window a new generation. Whatever is killed, however many partitions
and landers there are, and even where the topic was made again: by count and by events' own time the same rows end up in
the same files, byte for byte.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lumbung.core.errors import LumbungError
from lumbung.storage import duck
from lumbung.storage.lake import Lake, sha256
from lumbung.storage.manifest import DataFile
from lumbung.stream import landing
from lumbung.stream.replay import replays
from lumbung.systems.stream_models import cut as cuts
from lumbung.systems.stream_models.activity_batch import BATCHES as BATCHES
from lumbung.systems.stream_models.activity_batch import ActivityBatch, OffsetRange, newest_batches
from lumbung.systems.stream_models.batch_file import BatchFile, store_csv
from lumbung.systems.stream_models.by import By
from lumbung.systems.stream_models.cut import Cut
from lumbung.systems.stream_models.feed import ACTIVITY_SCHEMA, LANDED
from lumbung.systems.stream_models.placing import (
    COLUMNS,
    ENGINE_SETTINGS,
    PLACED,
    Closed,
    Placed,
    close,
    consumed,
    place,
    write,
)
from lumbung.systems.stream_models.unread import READ_ROWS, SCHEMA, gather, opened

DEFAULT_BATCHES = 4


def default_by(lake: Lake) -> By:
    """By count, a quarter of the first dataset that was replayed.

    Raises:
        LumbungError: none was.
    """
    if not (sent := replays(lake)):
        raise LumbungError(
            "no dataset has been replayed, whose rows would say how long a batch is",
            where=lake.uri,
            remedy="say it, such as --by count:5000 or --by window:5m, or replay a dataset: lumbung models replay",
        )
    return By("count", max(1, -(-sent[0].rows // DEFAULT_BATCHES)))


def make_batches(
    lake: Lake, by: By, csv: bool = False, progress: Callable[[int], None] | None = None
) -> list[ActivityBatch]:
    """Cut all that is landed.

    Args:
        lake: the lake.
        by: how.
        csv: whether every batch has a CSV file too.
        progress: is given the rows that were read so far.

    Returns:
        The newest generation of every closed batch, in order.

    Raises:
        LumbungError: a landed file is gone, or some rows have a `seq` and some have none.
    """
    with lake.lease(BATCHES):
        landing.fold(lake, LANDED)
        last = cuts.newest_cut(lake, by)
        batches = cuts.complete(lake, last, {batch.number: batch for batch in newest_batches(lake, by)})
        with tempfile.TemporaryDirectory(prefix="lumbung-") as name:
            folder = Path(name)
            if made := _cut(lake, by, last, batches, folder, progress or (lambda _rows: None)):
                cuts.commit(lake, by, made)
                batches = cuts.complete(lake, made, batches)
                if last.open and last.open != made.open:
                    lake.delete(last.open.path)
            for number, batch in batches.items():
                if csv and batch.csv is None:
                    update = {"generation": batch.generation + 1, "csv": store_csv(lake, batch.file, folder)}
                    batches[number] = batch.model_copy(update=update)
                    cuts.write(lake, batches[number])
        return [batches[number] for number in sorted(batches)]


def _cut(
    lake: Lake,
    by: By,
    last: Cut,
    batches: Mapping[int, ActivityBatch],
    folder: Path,
    progress: Callable[[int], None],
) -> Cut | None:
    """Cut what is unread; None where nothing was landed since.

    Args:
        lake: the lake.
        by: how.
        last: the newest cut.
        batches: the newest generation of every closed batch.
        folder: a local folder.
        progress: is given the rows that were read so far.
    """
    file = folder / "unread.parquet"
    unread = gather(lake, last, file, progress)
    if not unread.landings:
        return None
    with duck.engine(folder) as engine:
        engine.execute(ENGINE_SETTINGS)
        placed = place(engine, by, last, unread, file, folder)
        file.unlink()
        ends = [sent.first_seq + sent.rows for sent in replays(lake)]
        closed = close(engine, by, last, unread, placed, ends)
        # What the last cut did not know of is not in the batches, even if their manifests are there.
        known = batches if last.generation else {}
        parts = _parts(engine, by, placed, closed)
        return Cut(
            generation=last.generation + 1,
            by=str(by),
            numbered=unread.numbered,
            ends=unread.ends,
            appended_to=unread.appended_to,
            partitions=unread.partitions,
            consumed=consumed(engine, by, last, unread, placed, closed),
            watermark=closed.watermark,
            open=_store_open(lake, engine, by, placed, closed, folder),
            batches=[
                batch
                for part, stored in _files(lake, engine, by, placed, closed, parts, known, folder)
                if (batch := _batch(by, part, stored, known, batches)) is not None
            ],
        )


@dataclass
class _Part:
    """What this cut adds to a batch.

    Attributes:
        number: of the batch.
        index: of its window.
        rows: rows.
        rejected: rejects.
        seqs: the least and the greatest `seq`.
        days: rows by the Jakarta day of `event_at`.
        ranges: of offsets.
    """

    number: int
    index: int
    rows: int
    rejected: int
    seqs: tuple[int | None, int | None]
    days: dict[date, int]
    ranges: list[OffsetRange]


def _parts(engine: duckdb.DuckDBPyConnection, by: By, placed: Placed, closed: Closed) -> dict[int, _Part]:
    """What this cut adds to each batch, by the number that the rows have."""
    rows = f"FROM {duck.parquet(placed.file)} WHERE {closed.rows}"
    number = f"SELECT {closed.number}"
    parts = {}
    sums = "count(*) FILTER (NOT rejected), count(*) FILTER (rejected), min(seq), max(seq)"
    for index, kept, rejected, least, greatest in engine.sql(f"{number}, {sums} {rows} GROUP BY 1").fetchall():
        name = index if by.kind == "count" else by.number(index)
        parts[index] = _Part(name, index, kept, rejected, (least, greatest), {}, [])
    day = "(event_at + 25200000000) // 86400000000"
    for index, days, count in engine.sql(f"{number}, {day}, count(*) {rows} AND NOT rejected GROUP BY 1, 2").fetchall():
        parts[index].days[date(1970, 1, 1) + timedelta(days)] = count
    if any(part.seqs[0] is None for part in parts.values()):
        span = 'topic, "partition", min("offset"), max("offset") + 1'
        for index, *values in engine.sql(f"{number}, {span} {rows} GROUP BY 1, 2, 3 ORDER BY 1, 2, 3").fetchall():
            names = ("topic_id", "partition", "start", "end")
            parts[index].ranges.append(OffsetRange(**dict(zip(names, values, strict=True))))
    return parts


def _store_open(
    lake: Lake, engine: duckdb.DuckDBPyConnection, by: By, placed: Placed, closed: Closed, folder: Path
) -> DataFile | None:
    """Keep the rows that are in no closed batch yet; None if there are none."""
    file = folder / "open.parquet"
    columns = [duck.quote(field.name) for field in SCHEMA if field.name not in ("fresh", "number")]
    query = (
        f"SELECT false AS fresh, {closed.number} AS number, {', '.join(columns)} FROM {duck.parquet(placed.file)}"
        f" WHERE ({closed.rows}) IS NOT TRUE"
    )
    write(engine, query, file)
    if not pq.read_metadata(file).num_rows:
        return None
    return duck.store(lake, file, f"{cuts.folder_of(by)}/open-{sha256(file)[:12]}.parquet")


def _files(
    lake: Lake,
    engine: duckdb.DuckDBPyConnection,
    by: By,
    placed: Placed,
    closed: Closed,
    parts: Mapping[int, _Part],
    known: Mapping[int, ActivityBatch],
    folder: Path,
) -> Iterator[tuple[_Part, DataFile]]:
    """The new file of each batch that this cut closes or adds to.

    Args:
        lake: the lake.
        engine: of DuckDB.
        by: how the stream is cut.
        placed: the rows.
        closed: which of them are in closed batches.
        parts: what this cut adds to each.
        known: the batches that were closed before.
        folder: a local folder.
    """
    query = f"SELECT * REPLACE ({closed.number} AS number) FROM {duck.parquet(placed.file)} WHERE {closed.rows}"
    query = f"SELECT {COLUMNS} FROM ({query})"
    earlier = folder / "earlier.parquet"
    if merged := [part for part in parts.values() if part.number in known]:
        with pq.ParquetWriter(earlier, PLACED, compression="lz4") as writer:
            for part in merged:
                for rows in _earlier(lake, known[part.number], part.index):
                    writer.write_table(rows)
        query += f" UNION ALL SELECT {COLUMNS} FROM {duck.parquet(earlier)}"
    if merged or by.kind != "count":
        # What was in the batch before has no topic, so that it stays in front.
        query += ' ORDER BY number, seq, topic, "partition", "offset"'
    ordered = folder / "closed.parquet"
    write(engine, query, ordered)
    writing: tuple[int, BatchFile] | None = None

    def stored() -> tuple[_Part, DataFile]:
        assert writing is not None
        part = parts[writing[0]]
        return part, writing[1].store(lake, f"{BATCHES}/{by.folder}/{part.number}")

    for batch in pq.ParquetFile(ordered).iter_batches(READ_ROWS):
        rows = pa.Table.from_batches([batch])
        numbers = rows["number"].to_numpy()
        starts = np.flatnonzero(np.diff(numbers, prepend=numbers[0] - 1))
        for start, end in zip(starts, [*starts[1:], len(numbers)], strict=True):
            index = int(numbers[start])
            if writing is None or writing[0] != index:
                if writing is not None:
                    yield stored()
                writing = index, BatchFile(folder)
            part = rows.slice(start, end - start)
            kept = part.filter(pc.invert(part["rejected"]))
            writing[1].add(kept.select(ACTIVITY_SCHEMA.names).cast(ACTIVITY_SCHEMA))
    if writing is not None:
        yield stored()


def _earlier(lake: Lake, batch: ActivityBatch, index: int) -> Iterator[pa.Table]:
    """The rows of a batch as they are, as placed rows."""
    offset = 0
    with opened(lake, batch.file.path) as file:
        for part in file.iter_batches(READ_ROWS):
            rows = pa.Table.from_batches([part])
            count = rows.num_rows
            given = {
                "topic": pa.repeat(pa.scalar(""), count),
                "partition": pa.repeat(pa.scalar(0, pa.int32()), count),
                "offset": pa.array(range(offset, offset + count), pa.int64()),
                "rejected": pa.repeat(pa.scalar(False), count),
                "number": pa.repeat(pa.scalar(index), count),
                **{name: rows[name] for name in rows.column_names},
            }
            columns = {
                field.name: given[field.name].cast(field.type) if field.name in given else pa.nulls(count, field.type)
                for field in PLACED
            }
            offset += count
            yield pa.table(columns, PLACED)


def _batch(
    by: By,
    part: _Part,
    file: DataFile,
    known: Mapping[int, ActivityBatch],
    batches: Mapping[int, ActivityBatch],
) -> ActivityBatch | None:
    """The next generation of a batch; None where it says nothing new.

    Args:
        by: how the stream is cut.
        part: what is added.
        file: its file.
        known: the batches that the rows were added to.
        batches: the newest generations.
    """
    before, newest = known.get(part.number), batches.get(part.number)
    seqs = [seq for seq in (*part.seqs, *((before.first_seq, before.last_seq) if before else ())) if seq is not None]
    days = dict(before.days) if before else {}
    for day, count in part.days.items():
        days[day] = days.get(day, 0) + count
    windows = by.kind != "count"
    batch = ActivityBatch(
        generation=newest.generation + 1 if newest else 1,
        by=str(by),
        number=part.number,
        start=by.start(part.index) if windows else None,
        end=by.end(part.index) if windows else None,
        first_seq=min(seqs, default=None),
        last_seq=max(seqs, default=None),
        rows=file.rows,
        rejected=part.rejected + (before.rejected if before else 0),
        file=file,
        ranges=_joined([*(before.ranges if before else []), *part.ranges]),
        days=dict(sorted(days.items())),
    )
    ignored = {"generation", "csv"}
    if newest and batch.model_dump(exclude=ignored) == newest.model_dump(exclude=ignored):
        return None
    return batch


def _joined(ranges: list[OffsetRange]) -> list[OffsetRange]:
    """One range for each partition."""
    joined: dict[tuple[str, int], OffsetRange] = {}
    for span in ranges:
        place = span.topic_id, span.partition
        known = joined.get(place, span)
        update = {"start": min(known.start, span.start), "end": max(known.end, span.end)}
        joined[place] = span.model_copy(update=update)
    return [joined[place] for place in sorted(joined)]
