"""Which batch each row belongs to, and which rows are in closed ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from lumbung.storage import duck
from lumbung.systems.stream_models.by import By
from lumbung.systems.stream_models.cut import Cut
from lumbung.systems.stream_models.unread import NONE, READ_ROWS, SCHEMA, Unread

Numbers = npt.NDArray[np.int64]
Ranges = list[tuple[int, int]]

ENGINE_ROWS = 8192
ENGINE_SETTINGS = "SET memory_limit = '384MB'; SET threads = 2"  # with less, 200,000 rows of long texts do not fit
# Of a file of placed rows: the place in the stream, and what the rows had.
PLACED = pa.schema([("position", pa.int64()), *(field for field in SCHEMA if field.name != "fresh")])
# Columns as DuckDB is given them: some are its words.
COLUMNS = ", ".join(duck.quote(field.name) for field in PLACED)


@dataclass
class Placed:
    """Placed rows, in a local file, in the order of the stream.

    Attributes:
        file: the file; columns as `PLACED`.
        ranges: the positions that are in it or in batches already.
        end: behind the last position.
    """

    file: Path
    ranges: Ranges
    end: int

    @property
    def prefix(self) -> int:
        """The first position that is missing."""
        return self.ranges[0][1] if self.ranges and self.ranges[0][0] == 0 else 0


@dataclass(frozen=True)
class Closed:
    """Which rows are in closed batches.

    Attributes:
        number: the expression, in SQL, of a row's batch: by count its number, else the index of the window.
        rows: the condition, in SQL, of rows in closed batches.
        watermark: see `Cut`.
    """

    number: str
    rows: str
    watermark: datetime | None


def place(engine: duckdb.DuckDBPyConnection, by: By, cut: Cut, unread: Unread, file: Path, folder: Path) -> Placed:
    """Sort what is unread by its place in the stream, drop what came twice, and say which batch each row is of.

    Args:
        engine: of DuckDB.
        by: how the stream is cut.
        cut: the newest cut.
        unread: what is unread.
        file: its file.
        folder: a local folder for more files.
    """
    # Of a row that came twice, as its topic was made again, the one counts that was read or appended first.
    order = "seq, fresh, appended" if unread.numbered else 'appended, topic, "partition", "offset"'
    ordered, placed = folder / "ordered.parquet", folder / "placed.parquet"
    write(
        engine, f"SELECT {', '.join(map(duck.quote, SCHEMA.names))} FROM {duck.parquet(file)} ORDER BY {order}", ordered
    )
    consumed = np.array(cut.consumed, np.int64).reshape(-1, 2)
    ranges = [consumed]
    start = 0 if unread.numbered or by.kind != "count" or not cut.consumed else cut.consumed[-1][1]
    last, mark, end = -1, _micros(cut.watermark), start
    with pq.ParquetWriter(placed, PLACED, compression="lz4", write_statistics=False) as writer:
        for batch in pq.ParquetFile(ordered).iter_batches(READ_ROWS):
            rows = pa.Table.from_batches([batch])
            if unread.numbered:
                positions = _array(rows, "seq", -1)
                kept = positions >= 0  # without one it does not belong to a stream whose rows are numbered
                kept &= np.concatenate([[last], positions[:-1]]) != positions
                kept &= ~(_array(rows, "fresh", 0).astype(bool) & _within(positions, consumed))
                last = int(positions[-1]) if len(positions) else last
                rows, positions = rows.filter(pa.array(kept)), positions[kept]
            else:
                positions = np.arange(end, end + rows.num_rows, dtype=np.int64)
            if not rows.num_rows:
                continue
            end = int(positions[-1]) + 1
            ranges.append(_runs(positions))
            numbers, mark = _numbers(by, rows, positions, mark)
            columns = {"position": pa.array(positions), **{name: rows[name] for name in PLACED.names[1:]}}
            columns["number"] = pa.array(numbers, pa.int64(), mask=numbers == NONE)
            writer.write_table(pa.table(columns, PLACED))
    ordered.unlink()
    return Placed(placed, _merge(np.concatenate(ranges)), end)


def _numbers(by: By, rows: pa.Table, positions: Numbers, mark: int) -> tuple[Numbers, int]:
    """The batch of each row, and the latest event so far.

    A reject has no time of its own: it belongs to the window of the latest event before it.
    """
    if by.kind == "count":
        return positions // by.size + 1, mark
    if by.kind == "window":
        return by.indices(_array(rows, "appended", 0)), mark
    events = _array(rows, "event_at", NONE)
    latest = np.maximum.accumulate(np.concatenate([[mark], events]))[1:]
    times = np.where(events == NONE, latest, events)
    numbers = np.where(times == NONE, NONE, by.indices(times))
    known = _array(rows, "number", NONE)
    return np.where(known == NONE, numbers, known), int(latest[-1])


def close(
    engine: duckdb.DuckDBPyConnection, by: By, cut: Cut, unread: Unread, placed: Placed, ends: Sequence[int]
) -> Closed:
    """Find out which rows are in closed batches.

    Args:
        engine: of DuckDB.
        by: how the stream is cut.
        cut: the newest cut.
        unread: how far the stream was read.
        placed: its rows.
        ends: where each replay ends, in their order.
    """
    table = duck.parquet(placed.file)
    if unread.numbered is None:  # only rejects so far, none of which says whether rows are numbered
        return Closed("number", "false", None)
    prefix = placed.prefix if unread.numbered else placed.end
    complete = max((end for end in ends if unread.numbered and end <= prefix), default=0)
    if by.kind == "count":
        return Closed("number", f"position < {max(prefix // by.size * by.size, complete)}", None)
    everything = bool(ends) and complete == ends[-1] and placed.ranges[-1][1] <= complete
    if by.kind == "window":
        bound = None if everything else _landed_to(unread)
        return Closed("number", _before(by, bound, everything=everything), None)
    (latest,) = engine.sql(f"SELECT max(event_at) FROM {table} WHERE position < {prefix}").fetchall()[0]
    mark = max(_micros(cut.watermark), NONE if latest is None else latest)
    number = "number"
    if cut.watermark is None:  # rejects before the first row are of its window
        first = f"SELECT number FROM {table} WHERE NOT rejected AND position < {prefix} ORDER BY position LIMIT 1"
        if row := engine.sql(first).fetchone():
            number = f"coalesce(number, {row[0]})"
    watermark = None if mark == NONE else _time(mark)
    rows = f"position < {prefix} AND {_before(by, watermark, everything=everything, number=number)}"
    return Closed(f"CASE WHEN position < {prefix} THEN {number} END", rows, watermark)


def _before(by: By, bound: datetime | None, *, everything: bool, number: str = "number") -> str:
    """The condition of rows in windows that end at a time or before, or of all that are in a window."""
    if everything:
        return f"{number} IS NOT NULL"
    return "false" if bound is None else f"{number} < {by.index(bound)}"


def _landed_to(unread: Unread) -> datetime | None:
    """The append time up to which every partition of the topic is landed; None where one is not landed at all.

    Of topics that were deleted and made again the newest one counts, as nothing comes to the others.
    """
    topics = {topic: times for topic, times in unread.appended_to.items() if times}
    if not topics:
        return None
    topic, times = max(topics.items(), key=lambda item: max(item[1].values()))
    if any(partition not in times for partition in range(unread.partitions.get(topic, 0))):
        return None
    return min(times.values())


def consumed(
    engine: duckdb.DuckDBPyConnection, by: By, cut: Cut, unread: Unread, placed: Placed, closed: Closed
) -> Ranges:
    """What is in batches with those of this cut, as `Cut` has it.

    Args:
        engine: of DuckDB.
        by: how the stream is cut.
        cut: the cut before.
        unread: what was read.
        placed: its rows.
        closed: which of them are in closed batches.
    """
    if not unread.numbered and by.kind != "count":
        return []
    query = engine.sql(f"SELECT position FROM {duck.parquet(placed.file)} WHERE {closed.rows}")
    before = np.array(cut.consumed, np.int64).reshape(-1, 2)
    batches = query.to_arrow_reader(READ_ROWS)
    return _merge(np.concatenate([before, *(_runs(np.sort(batch.column(0).to_numpy())) for batch in batches)]))


def write(engine: duckdb.DuckDBPyConnection, query: str, file: Path) -> None:
    """Write the rows of a query to a local Parquet file.

    Args:
        engine: of DuckDB.
        query: in SQL.
        file: the file.
    """
    # The engine holds a row group for each of its threads: with its own size, long texts do not fit into its memory.
    engine.execute(
        f"COPY ({query}) TO {duck.literal(file)} (FORMAT parquet, COMPRESSION lz4, ROW_GROUP_SIZE {ENGINE_ROWS})"
    )


def _array(rows: pa.Table, name: str, null: int) -> Numbers:
    column = rows[name].combine_chunks()
    return column.cast(pa.int64()).fill_null(null).to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]


def _runs(positions: Numbers) -> Numbers:
    """Sorted positions as ranges: an array of two columns."""
    if not len(positions):
        return np.empty((0, 2), np.int64)
    breaks = np.flatnonzero(np.diff(positions) > 1)
    starts = positions[np.concatenate([[0], breaks + 1])]
    return np.stack([starts, positions[np.concatenate([breaks, [len(positions) - 1]])] + 1], axis=1)


def _merge(ranges: Numbers) -> Ranges:
    """Ranges in order, those that touch as one."""
    if not len(ranges):
        return []
    ranges = ranges[np.argsort(ranges[:, 0], kind="stable")]
    ends = np.maximum.accumulate(ranges[:, 1])
    breaks = np.flatnonzero(ranges[1:, 0] > ends[:-1])
    starts = ranges[np.concatenate([[0], breaks + 1]), 0]
    return list(zip(starts.tolist(), ends[np.concatenate([breaks, [len(ranges) - 1]])].tolist(), strict=True))


def _within(positions: Numbers, ranges: Numbers) -> npt.NDArray[np.bool_]:
    if not len(ranges):
        return np.zeros(len(positions), bool)
    index = np.searchsorted(ranges[:, 0], positions, side="right") - 1
    within: npt.NDArray[np.bool_] = (index >= 0) & (positions < ranges[index, 1])
    return within


def _micros(at: datetime | None) -> int:
    return NONE if at is None else (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _time(micros: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
