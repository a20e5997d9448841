"""The header of a CSV file: where the contract's columns stand, or which keys of the contract would take the file."""

from __future__ import annotations

import json
import re
from itertools import product
from pathlib import Path
from typing import NamedTuple

from lumbung.catalog.contract import Contract, Source
from lumbung.core.errors import SourceError
from lumbung.sources.csv_record import splitter, without_end
from lumbung.sources.files import RowError, byte_order_mark, contract_file
from lumbung.sources.rows import mismatch

HEAD_BYTES = 1 << 16
HEAD_LINES = 30
DELIMITERS = (",", ";", "\t", "|")
ENCODINGS = ("utf-8", "utf-16-le", "utf-16-be", "cp1252")  # cp1252 last, as nearly all bytes are text in it

SEP = re.compile(r'"?sep=(.)"?[;,]*', re.IGNORECASE)
_SIGNS = re.compile(f"[{''.join(DELIMITERS)}]")


class Dialect(NamedTuple):
    """How a CSV file is written: the keys of a contract's `source`."""

    delimiter: str
    encoding: str
    skip_rows: int

    @classmethod
    def of(cls, source: Source) -> Dialect:
        """What the contract says."""
        return cls(source.delimiter, source.encoding, source.skip_rows)


STRICT = Dialect(",", "utf-8", 0)
"""What a contract says that has none of these keys."""


def positions(contract: Contract, fields: list[str]) -> list[int]:
    """The position of each business column in a record.

    Raises:
        RowError: the header's cells are not the contract's columns.
    """
    names = [column.source_name for column in contract.business_columns]
    if difference := mismatch(names, fields):
        raise RowError(f"the header's columns differ, {difference}")
    return [fields.index(name) for name in names]


def refusal(contract: Contract, path: Path, line: int, what: str, header: str) -> SourceError:
    """The error of a header, with the keys of the contract that would take the file, if there are any.

    Args:
        contract: the contract.
        path: the file.
        line: the header's line, from 1.
        what: what is wrong with it.
        header: its text.
    """
    assert contract.source
    own = Dialect.of(contract.source)
    fit = fitting(contract, path) or own
    fields = _cells(header, own.delimiter)
    remedy = _names(contract, fields)
    if sep := SEP.fullmatch(header):
        what = f"sep={sep[1]} tells Excel the delimiter, and is not the header"
        fit = Dialect(sep[1], own.encoding, line)
    elif header.lstrip()[:1] in ("[", "{"):
        what, fit = "the file looks like JSON", own
        remedy = f"write kind: json in source: of {contract_file(contract)}"
    elif "carriage return" in what:
        remedy = "save the file with line feeds, or carriage return and line feed, at the end of lines"
    elif fit == own and "\0" in header:
        what = "the header holds NUL bytes: the file is damaged, or UTF-16 without a byte order mark"
        remedy = f"export the source again, or write encoding: utf-16-le in source: of {contract_file(contract)}"
    elif fit == own and len(fields) == 1:
        fit = own._replace(delimiter=max(DELIMITERS, key=header.count) if _SIGNS.search(header) else own.delimiter)
    if fit != own:
        remedy = f"{_change(own, fit)} in source: of {contract_file(contract)}"
        if not sep:
            what = _difference(own, fit)
    return SourceError(what, where=f"{path}:{line}", remedy=remedy)


def fitting(contract: Contract, path: Path) -> Dialect | None:
    """The dialect under which a line among the file's first has the contract's columns, whatever their letters' case.

    Args:
        contract: the contract.
        path: the file.
    """
    assert contract.source
    own = Dialect.of(contract.source)
    names = sorted(_plain(column.source_name) for column in contract.business_columns)
    for encoding in dict.fromkeys((own.encoding, *ENCODINGS)):
        lines = _head(path, encoding)
        delimiters = dict.fromkeys((own.delimiter, *DELIMITERS))
        for (number, line), delimiter in product(enumerate(lines), delimiters):
            if sorted(map(_plain, _cells(line, delimiter))) == names:
                skip_rows = number if "".join(lines[:number]).strip() else 0
                return Dialect(delimiter, encoding, skip_rows)
    return None


def _head(path: Path, encoding: str) -> list[str]:
    """The file's first lines."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    mark, marked = byte_order_mark(head)
    text = head[len(mark) :].decode(marked or encoding, "replace")
    return [without_end(line) for line in text.split("\n")[:HEAD_LINES]]


def _cells(line: str, delimiter: str) -> list[str]:
    """A line's cells; none, if its quotes are broken."""
    try:
        return splitter(delimiter)(line)
    except RowError:
        return []


def _difference(own: Dialect, fit: Dialect) -> str:
    """What the file is that the contract does not say, in one sentence."""
    if fit.skip_rows != own.skip_rows:
        return f"the header is line {fit.skip_rows + 1} of the file, and the contract skips {own.skip_rows} lines"
    if fit.encoding != own.encoding:
        return f"the file looks like {fit.encoding.upper()}, not {own.encoding.upper()}"
    return f"the delimiter looks like {fit.delimiter!r}, not {own.delimiter!r}"


def _change(own: Dialect, fit: Dialect) -> str:
    """The keys to write into a contract, or to remove from it."""
    changed = [
        (key, after, default)
        for key, before, after, default in zip(Dialect._fields, own, fit, STRICT, strict=True)
        if before != after
    ]
    written = [
        f"{key}: {json.dumps(after) if key == 'delimiter' else after}"
        for key, after, default in changed
        if after != default
    ]
    removed = [key for key, after, default in changed if after == default]
    verbs = (("write", written), ("remove", removed))
    return " and ".join(f"{verb} {' and '.join(keys)}" for verb, keys in verbs if keys)


def _names(contract: Contract, fields: list[str]) -> str:
    """How the header's names and the contract's columns come together."""
    file = contract_file(contract)
    if "" in fields:
        return "export the file without the column that has no name; a delimiter at the end of lines makes one"
    assert contract.source
    own = Dialect.of(contract.source)
    names = [column.source_name for column in contract.business_columns]
    spelled = {_plain(field): field for field in fields}
    missing = [column for column in contract.business_columns if column.source_name not in fields]
    if missing and all(_plain(column.source_name) in spelled for column in missing):
        keys = [
            f"from: {json.dumps(spelled[_plain(column.source_name)], ensure_ascii=False)} at the column {column.name}"
            for column in missing
        ]
        return f"write {', '.join(keys)} in {file}"
    return (
        f"make the header {own.delimiter.join(names)}, in any order,"
        f" or correct the columns in {file} (from: is what the file calls one)"
    )


def _plain(name: str) -> str:
    return name.strip().casefold()
