"""Rows that are landed and in no batch yet, gathered in one file on local disk."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import batched
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lumbung.core.errors import LumbungError
from lumbung.core.settings import variable
from lumbung.storage.lake import Lake
from lumbung.storage.manifest import DataFile
from lumbung.stream.landing import Landing, landings_after
from lumbung.systems.stream_models.cut import Cut
from lumbung.systems.stream_models.feed import ACTIVITY_SCHEMA, LANDED

# Times are microseconds since 1970, which all engines compare and divide alike.
SCHEMA = pa.schema(
    [
        ("fresh", pa.bool_()),  # not read by the cut before
        ("topic", pa.string()),
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("appended", pa.int64()),
        ("rejected", pa.bool_()),
        ("number", pa.int64()),  # the batch, where the cut before knew it
        *(pa.field(column.name, pa.int64()) if column.name == "event_at" else column for column in ACTIVITY_SCHEMA),
    ]
)
READ_ROWS = 8192  # at a time, as texts may be long
READERS = 8
NONE = np.iinfo(np.int64).min


@dataclass
class Unread:
    """What was gathered, and how far that goes.

    Attributes:
        numbered: see `Cut`, as the others.
        ends: see `Cut`.
        appended_to: see `Cut`.
        partitions: see `Cut`.
        landings: how many landings were read.
        rows: rows of the file.
    """

    numbered: bool | None
    ends: dict[str, dict[int, int]]
    appended_to: dict[str, dict[int, datetime]]
    partitions: dict[str, int]
    landings: int = 0
    rows: int = 0

    def check(self, table: pa.Table, landing: Landing) -> None:
        """Note whether rows are numbered.

        Raises:
            LumbungError: some are and some are not.
        """
        place = f"{landing.topic}, partition {landing.partition}, from offset {landing.start_offset}"
        seqs = table["seq"]
        if seqs.null_count < len(seqs):
            self._note(numbered=True, place=place)
        if pc.any(pc.and_(seqs.is_null(), pc.invert(table["rejected"]))).as_py():
            self._note(numbered=False, place=place)

    def _note(self, *, numbered: bool, place: str) -> None:
        if self.numbered not in (None, numbered):
            raise LumbungError(
                "rows with and without seq are in one stream, whose order nobody knows",
                where=place,
                remedy="let its producers number all rows or none, and start again with a topic and a lake of their"
                f" own ({variable('activity_topic')}, {variable('lake_uri')})",
            )
        self.numbered = numbered


def gather(lake: Lake, cut: Cut, file: Path, progress: Callable[[int], None]) -> Unread:
    """Write what is landed and in no batch yet to a file.

    Args:
        lake: the lake.
        cut: the newest cut.
        file: the local file; columns as `SCHEMA`, in no order. Where nothing was landed since the cut, it has no rows.
        progress: is given the rows so far.

    Raises:
        LumbungError: a file is gone, or some rows are numbered and some are not.
    """
    unread = Unread(
        cut.numbered,
        {topic: dict(ends) for topic, ends in cut.ends.items()},
        {topic: dict(times) for topic, times in cut.appended_to.items()},
        dict(cut.partitions),
    )
    with pq.ParquetWriter(file, SCHEMA, compression="lz4", write_statistics=False) as writer:
        held: list[pa.Table] = []
        for table in _tables(lake, cut, unread):
            held.append(table)
            unread.rows += table.num_rows
            if sum(part.num_rows for part in held) >= READ_ROWS:
                writer.write_table(pa.concat_tables(held))
                held.clear()
            progress(unread.rows)
        if held:
            writer.write_table(pa.concat_tables(held))
    return unread


def _tables(lake: Lake, cut: Cut, unread: Unread) -> Iterator[pa.Table]:
    with ThreadPoolExecutor(READERS) as pool:  # a bucket answers each after a while
        for group in batched(landings_after(lake, LANDED, cut.ends), READERS, strict=False):
            since = [_note(unread, landing) for landing in group]
            for landing, table in zip(group, pool.map(partial(_landed, lake), group, since), strict=True):
                unread.check(table, landing)
                yield table
    if cut.open and unread.landings:
        with opened(lake, cut.open.path) as file:
            for batch in file.iter_batches(READ_ROWS):
                yield pa.Table.from_batches([batch]).select(SCHEMA.names).cast(SCHEMA)


def _note(unread: Unread, landing: Landing) -> datetime | None:
    """Note how far a landing goes: the append time that its partition was landed to before."""
    unread.landings += 1
    unread.ends.setdefault(landing.topic_id, {})[landing.partition] = landing.next_offset
    times = unread.appended_to.setdefault(landing.topic_id, {})
    since = times.get(landing.partition)
    if landing.appended_to:
        times[landing.partition] = max(landing.appended_to, since or landing.appended_to)
    known = unread.partitions.get(landing.topic_id, 0)
    unread.partitions[landing.topic_id] = max(known, landing.partitions or 0)
    return since


def _landed(lake: Lake, landing: Landing, since: datetime | None) -> pa.Table:
    """All rows and rejects of a landing, by offset."""
    files: list[DataFile] = [*landing.files, *([landing.rejects] if landing.rejects else [])]
    tables = []
    for file in files:
        with opened(lake, file.path) as parquet:
            content = parquet.read()
        rows = content.num_rows
        columns: dict[str, Any] = {
            "fresh": pa.repeat(pa.scalar(True), rows),
            "topic": pa.repeat(pa.scalar(landing.topic_id), rows),
            "partition": pa.repeat(pa.scalar(landing.partition, pa.int32()), rows),
            "offset": content["offset"],
            "appended": content["appended_at"].cast(pa.int64()),
            "rejected": pa.repeat(pa.scalar(file is landing.rejects), rows),
        }
        for column in SCHEMA:
            if column.name not in columns:
                is_there = column.name in content.column_names
                columns[column.name] = (
                    content[column.name].cast(column.type) if is_there else pa.nulls(rows, column.type)
                )
        tables.append(pa.table(columns, SCHEMA))
    table = pa.concat_tables(tables) if tables else SCHEMA.empty_table()
    if len(tables) > 1:
        table = table.sort_by("offset")
    # A broker's clock may go back, or another broker's be behind. Within a partition the time then stands still.
    appended = table["appended"].to_numpy()
    if since is not None and len(appended):
        appended = np.maximum(appended, round(since.timestamp() * 1_000_000))
    times = pa.array(np.maximum.accumulate(appended), pa.int64())
    return table.set_column(table.schema.get_field_index("appended"), "appended", times)


@contextlib.contextmanager
def opened(lake: Lake, path: str) -> Iterator[pq.ParquetFile]:
    """A Parquet file of the lake.

    Args:
        lake: the lake.
        path: of the file in it.

    Raises:
        LumbungError: it is gone.
    """
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(pq.ParquetFile(stack.enter_context(lake.local(path))))
        except Exception:
            folder, _, name = path.rpartition("/")
            if name in lake.names(folder, name):
                raise
            raise LumbungError(
                "a file of the stream is gone",
                where=lake.address(path),
                remedy="put it back from a copy of the lake; the manifest that names it has its sha256",
            ) from None
        yield file
