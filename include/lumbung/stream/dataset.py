"""A dataset: the rows of a CSV, NDJSON or Parquet file in the file's order, whatever its columns are called.

Rows that cannot be read come as rejects in their place, so that a row's position never depends on the others. Memory
does not grow with the file.
"""

from __future__ import annotations

import codecs
import hashlib
import heapq
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from pydantic import Field, ValidationError

from lumbung.catalog.contract import LOADER, Contract, Source, Strict
from lumbung.core.errors import LumbungError, SourceError, first_line
from lumbung.core.lines import bounded_lines
from lumbung.sources import Reject, csv_file, csv_sniff
from lumbung.sources.csv_header import Dialect
from lumbung.sources.csv_record import splitter, without_end
from lumbung.sources.files import MAX_RECORD, RowError, byte_order_mark, check_utf8, refuse_binary, too_long
from lumbung.storage.lake import sha256

PARQUET_ROWS = 10_000
COUNTED_ROWS = 50_000  # between two reports of progress
SHOWN_COLUMNS = 20
Format = Literal["csv", "ndjson", "parquet"]
SUFFIXES: dict[str, Format] = {".csv": "csv", ".tsv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson"}


# A plain tuple, as making one of a class of its own takes longer than reading the row.
Row = tuple[int, tuple[Any, ...]]
"""A row: its line in the file from 1, or its number where the file has no lines, and its values."""


@dataclass(frozen=True)
class Columns:
    """What is read of a row.

    Attributes:
        names: the columns, in the order of a row's values.
        required: those that a dataset must have; of the others a row's value is None where a dataset has none.
        aliases: another name that a file may have for a column without a contract, by column.
    """

    names: tuple[str, ...]
    required: tuple[str, ...]
    aliases: Mapping[str, str]


class MappedColumn(Strict):
    """A column of a dataset's contract."""

    name: str
    from_: str = Field(alias="from", min_length=1, description="What the file calls the column.")
    decimal: Literal[",", "."] | None = Field(default=None, description="Of csv: the decimal mark of its numbers.")
    description: str = Field(default="", description="What a value means, for people.")


class CsvSource(Strict):
    """How a CSV file is written, as in a staging table's contract; what is not given is guessed."""

    delimiter: str | None = None
    encoding: str | None = None
    skip_rows: int | None = Field(default=None, ge=0)


class Mapped(Strict):
    """A dataset's contract: what the file calls the columns. Columns that are not listed have their own names."""

    description: str = Field(default="", description="What the dataset is, for people.")
    columns: list[MappedColumn]
    source: CsvSource = CsvSource()


class Dataset:
    """A file of rows.

    Args:
        file: CSV, NDJSON or Parquet.
        columns: what is read of it.
        contract: a YAML file that says what the file calls the columns; None: their own names.

    Raises:
        SourceError: there is no such file, or it is none of these.
        LumbungError: the contract is none.
    """

    def __init__(self, file: Path, columns: Columns, contract: Path | None = None) -> None:
        self.file, self.columns, self.contract = file, columns, contract
        self.mapped = _read_contract(contract, columns) if contract else Mapped(columns=[])
        self.format = _format(file)

    @cached_property
    def sha256(self) -> str:
        """Checksum of the file; with a contract, of both."""
        digest = self._scanned[0]
        if self.contract is None:
            return digest
        return hashlib.sha256(f"{digest} {sha256(self.contract)}".encode()).hexdigest()

    @cached_property
    def _scanned(self) -> tuple[str, int, tuple[int, int, int] | None]:
        """The file's checksum, how many lines it has, for a progress bar, and its state before it was read."""
        state = self._state()
        digest, lines = hashlib.sha256(), 0
        with self.file.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                digest.update(chunk)
                lines += chunk.count(b"\n")
        return digest.hexdigest(), lines, state

    def is_changed(self) -> bool:
        """Whether the file was changed since its checksum was made."""
        return self._scanned[2] != self._state()

    def _state(self) -> tuple[int, int, int] | None:
        """What changes with the file; None where it is gone."""
        try:
            status = self.file.stat()
        except FileNotFoundError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino

    def count(self, progress: Callable[[int, int], None] | None = None) -> int:
        """How many rows there are, rejects too; the whole file is read.

        Args:
            progress: is given how many lines are read, or rows where a file has no lines, and how many there are.

        Raises:
            SourceError: see `rows`; or there are rows, and none of them can be read.
        """
        reject = None
        for row in self.rows():
            if not isinstance(row, Reject):
                break
            reject = reject or row
        else:
            if reject:
                raise SourceError(
                    f"no row can be read; the first one: {reject.reason}",
                    where=f"{self.file}:{reject.line}",
                    remedy="give a CSV, NDJSON or Parquet file; the name's ending tells which, or else the content",
                )
        total = pq.read_metadata(self.file).num_rows if self.format == "parquet" else self._scanned[1]
        lines = (number for number, _ in self._lines()) if self.format == "ndjson" else map(_line, self.rows())
        count = 0
        for count, line in enumerate(lines, 1):
            if progress and not count % COUNTED_ROWS:
                progress(line, total)
        return count

    def rows(self) -> Iterator[Row | Reject]:
        """The rows in the file's order; blank lines do not count.

        Raises:
            SourceError: the file cannot be read as a whole, or lacks a required column.
        """
        try:
            yield from {"csv": self._csv, "ndjson": self._ndjson, "parquet": self._parquet}[self.format]()
        except (OSError, pa.ArrowException) as error:
            raise SourceError(
                f"the file cannot be read ({getattr(error, 'strerror', None) or first_line(error)})",
                where=str(self.file),
                remedy="put a readable file there",
            ) from error

    def _names(self, present: Sequence[str], where: str) -> list[str | None]:
        """What the file calls each column; None: it has no such column.

        Args:
            present: the file's columns.
            where: the line that says so, for the error.
        """
        mapped = {column.name: column.from_ for column in self.mapped.columns}
        names: list[str | None] = []
        for column in self.columns.names:
            wanted = [mapped[column]] if column in mapped else [column, self.columns.aliases.get(column)]
            name = next((name for name in wanted if name in present), None)
            if name is None and (column in self.columns.required or column in mapped):
                raise SourceError(
                    f"there is no column {wanted[0]}; the file has {', '.join(present[:SHOWN_COLUMNS]) or 'none'}",
                    where=where,
                    remedy=f"correct from: of {column} in {self.contract}"
                    if column in mapped
                    else f"say what the file calls {column} in a contract: --contract FILE, with columns:"
                    f" - {{name: {column}, from: …}}",
                )
            names.append(name)
        return names

    def _ndjson(self) -> Iterator[Row | Reject]:
        decode: Callable[[bytes], Any] | None = None
        values_of = msgspec.structs.astuple
        for number, line in self._lines():
            if len(line) > MAX_RECORD:
                yield too_long(number, line)
                continue
            try:
                if not line.isascii():
                    check_utf8(line)  # the decoder does not look into fields that are not read
                decode = decode or self._decoder(line, number)
                values = values_of(decode(line))
            except RowError as error:
                yield Reject.of(number, line.rstrip(b"\r\n"), str(error))
            except (msgspec.DecodeError, RecursionError) as error:
                reason = str(error).removeprefix("JSON is malformed: ")
                yield Reject.of(number, line.rstrip(b"\r\n"), f"not a JSON object: {reason}")
            else:
                yield number, values

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        """The lines of an NDJSON file that are not blank, with their numbers."""
        with self.file.open("rb") as stream:
            if stream.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
                stream.seek(0)
            for number, line in bounded_lines(stream, MAX_RECORD):
                if not line.isspace():
                    yield number, line

    def _decoder(self, line: bytes, number: int) -> Callable[[bytes], Any]:
        """What decodes lines as objects with the columns as attributes, if this line is an object that has them."""
        present = list(msgspec.json.decode(line, type=dict[str, msgspec.Raw]))
        names = self._names(present, f"{self.file}:{number}")
        columns = dict(zip(self.columns.names, names, strict=True))
        fields = [(column, Any, None) for column in columns]
        rename = {column: name for column, name in columns.items() if name is not None}
        return msgspec.json.Decoder(msgspec.defstruct("Line", fields, rename=rename, gc=False)).decode

    def _csv(self) -> Iterator[Row | Reject]:
        contract, names = self._csv_contract()
        positions = [None if name is None else int(name) for name in names]
        for batch in csv_file.read(contract, self.file.parent, None):
            size = batch.rows.num_rows
            columns = [
                [None] * size if position is None else batch.rows.column(position).to_pylist() for position in positions
            ]
            rows: Iterator[Row | Reject] = zip(batch.lines or [], zip(*columns, strict=True), strict=True)
            yield from heapq.merge(rows, batch.rejects, key=_line) if batch.rejects else rows

    def _csv_contract(self) -> tuple[Contract, list[str | None]]:
        """A contract of all of the file's columns, and of each column its position in the file."""
        guess = csv_sniff.layout(self.file).dialect
        dialect = guess._replace(**self.mapped.source.model_dump(exclude_none=True))
        header, where = self._header(dialect), f"{self.file}:{dialect.skip_rows + 1}"
        for fault, names in (
            ("has a column without a name", [name for name in header if not name]),
            ("names a column twice", {name for name in header if header.count(name) > 1}),
        ):
            if names:
                raise SourceError(
                    f"the header {fault}{': ' if any(names) else ''}{', '.join(sorted(names))}",
                    where=where,
                    remedy="export the file with a name of its own for each column",
                )
        sources = self._names(header, where)
        decimals = {column.from_: column.decimal for column in self.mapped.columns}
        columns = [
            {"name": f"column_{number}", "from": name, "decimal": decimals.get(name), "description": name}
            for number, name in enumerate(header)
        ]
        path = self.contract or self.file.with_suffix(".yaml")
        contract = Contract.model_validate(
            {
                "dataset": path.resolve().parent.name or "dataset",
                "table": "dataset",
                "path": path,
                **dict.fromkeys(("description", "grain"), "a row of a dataset"),
                "system": "dataset",
                "key": [],
                "columns": [*columns, {"name": "snapshot_date", "type": "DATE", "description": "not used"}],
                "partition": "snapshot_date",
                "source": {"kind": "csv", "path": self.file.name, **dialect._asdict()},
            }
        )
        return contract, [None if name is None else str(header.index(name)) for name in sources]

    def _header(self, dialect: Dialect) -> list[str]:
        with self.file.open("rb") as stream:
            mark, marked = byte_order_mark(stream.read(4))
            stream.seek(len(mark))
            text = io.TextIOWrapper(stream, marked or dialect.encoding, "replace", newline="\n")
            line = next(islice((line for _, line in bounded_lines(text, MAX_RECORD)), dialect.skip_rows, None), "")
        try:
            return splitter(dialect.delimiter)(without_end(line))
        except RowError as error:
            raise SourceError(
                f"the header cannot be read: {error}",
                where=f"{self.file}:{dialect.skip_rows + 1}",
                remedy="export the file again, or say in a contract how it is written: --contract FILE",
            ) from None

    def _parquet(self) -> Iterator[Row]:
        number = 0
        with pq.ParquetFile(self.file) as parquet:
            names = self._names(parquet.schema_arrow.names, str(self.file))
            read = [name for name in names if name is not None]
            for batch in parquet.iter_batches(PARQUET_ROWS, columns=read):
                columns = [
                    [None] * batch.num_rows if name is None else _in_microseconds(batch.column(name)).to_pylist()
                    for name in names
                ]
                for values in zip(*columns, strict=True):
                    number += 1
                    yield number, values


def _line(row: Row | Reject) -> int:
    return (row.line or 0) if isinstance(row, Reject) else row[0]


def _in_microseconds(column: pa.Array) -> pa.Array:
    """Moments as Python has them, without what is below a microsecond."""
    if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
        return column.cast(pa.timestamp("us", column.type.tz), safe=False)
    return column


def _format(file: Path) -> Format:
    try:
        with file.open("rb") as stream:
            head = stream.read(1 << 12)
    except OSError as error:
        raise SourceError(
            f"the dataset cannot be read ({error.strerror})",
            where=str(file),
            remedy="give a CSV, NDJSON or Parquet file",
        ) from error
    start = head.removeprefix(codecs.BOM_UTF8).lstrip()[:1]
    if not start:
        raise SourceError("the file is empty", where=str(file), remedy="export the dataset again")
    if head.startswith(b"PAR1"):
        return "parquet"
    refuse_binary(file, head)
    if file.suffix.lower() in SUFFIXES:
        return SUFFIXES[file.suffix.lower()]
    if start == b"[":
        raise SourceError(
            "the file is a JSON array", where=str(file), remedy="write one object a line, which is NDJSON"
        )
    return "ndjson" if start == b"{" else "csv"


def _read_contract(file: Path, columns: Columns) -> Mapped:
    try:
        mapped = Mapped.model_validate(yaml.load(file.read_bytes(), Loader=LOADER))  # noqa: S506 - a safe loader
        given = mapped.source.model_dump(exclude_none=True)
        Source.model_validate({"kind": "csv", "path": file.name, **given})  # the same rules
    except OSError as error:
        raise LumbungError(
            f"the contract cannot be read ({error.strerror})", where=str(file), remedy="give a YAML file"
        ) from error
    except yaml.YAMLError as error:
        raise LumbungError(f"not a YAML contract ({error})", where=str(file), remedy="fix the file") from error
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise LumbungError(faults, where=str(file), remedy="fix the contract") from error
    names = [column.name for column in mapped.columns]
    if unknown := sorted(set(names) - set(columns.names)):
        raise LumbungError(
            f"no such columns: {', '.join(unknown)}",
            where=str(file),
            remedy=f"name some of {', '.join(columns.names)}, and by from: what the file calls each",
        )
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise LumbungError(f"columns named twice: {', '.join(twice)}", where=str(file), remedy="name each once")
    return mapped
