"""SQL test cases: `tests/sql/<dataset>/<table>/<case>/` holds the rows given to a query and the rows expected of it.

given/<dataset>.<table>.csv or .ndjson   rows of each table that the query or its checks look at (empty in CSV: null)
expect.csv or .ndjson                    the rows of the table, in any order
params.yaml                              the query's parameter if it is not DAY: snapshot_date, or the days of an
                                         incremental table
refused.txt                              what the audit says, if it must fail
"""

from __future__ import annotations

import contextlib
import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from lumbung.catalog import query
from lumbung.catalog.contract import LOADER, SQL_ROOT, Contract
from lumbung.core.errors import LumbungError

CASES_ROOT = SQL_ROOT.parents[1] / "tests" / "sql"
DAY = date(2026, 11, 21)
SUFFIXES = (".csv", ".ndjson")


@dataclass(frozen=True)
class Case:
    """A test case of a table.

    Attributes:
        folder: `<dataset>/<table>/<case>`.
    """

    folder: Path

    @property
    def address(self) -> str:
        """The table that it tests."""
        return f"{self.folder.parent.parent.name}.{self.folder.parent.name}"

    @cached_property
    def given(self) -> dict[str, Path]:
        """The files of the rows given, by the table's address."""
        return {path.stem: path for path in sorted((self.folder / "given").glob("*"))}

    @property
    def expected(self) -> Path:
        """The file of the rows expected."""
        return next(self.folder.glob("expect.*"))

    @property
    def refused(self) -> Path:
        """The file that says what the audit says, if it must fail."""
        return self.folder / "refused.txt"

    @cached_property
    def params(self) -> Any:
        """What `params.yaml` holds; nothing where there is none."""
        path = self.folder / "params.yaml"
        return yaml.load(path.read_bytes(), Loader=LOADER) if path.exists() else {}  # noqa: S506 - a safe loader


def cases(root: Path = CASES_ROOT) -> list[Case]:
    """Every test case under a folder."""
    return [Case(path) for path in sorted(root.glob("*/*/*/")) if not path.name.startswith((".", "__"))]


def parameter(contract: Contract) -> tuple[str, date | list[date]]:
    """The name of the parameter that a table's query gets, and its value where a case says nothing."""
    return (contract.days_parameter, [DAY]) if contract.incremental else (query.SNAPSHOT_DATE, DAY)


def read_rows(path: Path, contract: Contract) -> list[dict[str, Any]]:
    """The rows of a file of a case.

    Args:
        path: a `.csv` or `.ndjson` file.
        contract: the table whose rows they are; it says which values are whole numbers.

    Raises:
        LumbungError: the file holds something else; the message names the line.
    """
    rows = []
    line = 0
    try:
        with path.open(encoding="utf-8", newline="") as file:
            if path.suffix == ".ndjson":
                for line, text in enumerate(file, start=1):  # noqa: B007 - the error names it
                    rows.append({**json.loads(text)})
                return rows
            reader = csv.reader(file, strict=True)
            names = next(reader, [])
            whole = {column.name for column in contract.columns if column.type == "INT64"}
            for values in reader:
                line = reader.line_num
                cells = zip(names, values, strict=True) if values else ()
                row = {name: (int(text) if name in whole else text) if text else None for name, text in cells}
                rows += [row] if row else []
    except (ValueError, TypeError, csv.Error) as error:
        raise LumbungError(f"not a row ({error})", where=f"{path}, line {line}", remedy="fix the line") from error
    return rows


def faults(case: Case, contracts: Mapping[str, Contract]) -> Iterator[LumbungError]:
    """What does not fit between a case and its table's contract and query; the query itself is not run.

    Args:
        case: the case.
        contracts: every contract that can be read, by address.
    """
    where, contract = str(case.folder), contracts.get(case.address)
    if contract is None or not contract.sql_path.exists():
        yield LumbungError(
            f"a test case of {case.address}, which no query makes",
            where=where,
            remedy="move the case to its table, or delete it",
        )
        return
    needed = set(case.given)
    # A query that cannot be read, or that reads an unknown table, is a fault of its own.
    with contextlib.suppress(LumbungError):
        read = query.dependencies(contract)
        needed = read if read <= contracts.keys() else needed
    for address in sorted(needed - case.given.keys()):
        yield LumbungError(
            f"no rows of {address}, which the query or a check looks at",
            where=where,
            remedy=f"add given/{address}.csv or .ndjson",
        )
    for path in sorted((case.folder / "given").glob("*")):
        if path.stem not in needed:
            remedy = "delete the file, or name it after a table that is read"
            yield LumbungError(f"neither the query nor a check looks at {path.stem}", where=str(path), remedy=remedy)
        elif path != case.given[path.stem]:
            yield LumbungError(f"rows of {path.stem} twice", where=str(path), remedy="keep one of the files")
        elif path.stem in contracts:
            yield from _misfits(path, contracts[path.stem], whole_rows=False)
    expected = sorted(case.folder.glob("expect.*"))
    if len(expected) != 1:
        yield LumbungError(
            f"{len(expected)} files of expected rows", where=where, remedy="keep one: expect.csv or expect.ndjson"
        )
    for path in expected:
        yield from _misfits(path, contract, whole_rows=True)
    yield from _wrong_params(case, contract)
    if case.refused.exists() and not case.refused.read_text(encoding="utf-8").strip():
        yield LumbungError("is empty", where=str(case.refused), remedy="say what the audit must say, or delete it")


def _misfits(path: Path, contract: Contract, *, whole_rows: bool) -> Iterator[LumbungError]:
    """Columns that are not the contract's, or rows that cannot be read; whole rows have all of its columns."""
    if path.suffix not in SUFFIXES:
        yield LumbungError("neither CSV nor NDJSON", where=str(path), remedy=f"name it {' or '.join(SUFFIXES)}")
        return
    try:
        rows = read_rows(path, contract)
        names = list(dict.fromkeys(name for row in rows for name in row))
        if path.suffix == ".csv":
            with path.open(encoding="utf-8", newline="") as file:
                names = next(csv.reader(file), [])
    except LumbungError as fault:
        yield fault
        return
    columns = [column.name for column in contract.columns]
    if unknown := [name for name in names if name not in columns]:
        yield LumbungError(
            f"{contract.address} has no column {', '.join(unknown)}",
            where=str(path),
            remedy=f"name columns of {contract.path.name}: {', '.join(columns)}",
        )
    if repeated := {name for name in names if names.count(name) > 1}:
        yield LumbungError(
            f"columns named twice: {', '.join(sorted(repeated))}", where=str(path), remedy="name each column once"
        )
    if (whole_rows and rows) and (missing := [name for name in columns if any(name not in row for row in rows)]):
        yield LumbungError(
            f"no column {', '.join(missing)}", where=str(path), remedy=f"give all columns of {contract.address}"
        )


def _wrong_params(case: Case, contract: Contract) -> Iterator[LumbungError]:
    where = str(case.folder / "params.yaml")
    name, default = parameter(contract)
    example = f"write {name}: {'[YYYY-MM-DD]' if isinstance(default, list) else 'YYYY-MM-DD'}"
    try:
        params = case.params
    except yaml.YAMLError as error:
        yield LumbungError(f"not YAML ({error})", where=where, remedy=example)
        return
    if params == {}:
        return
    values = [*params.values()] if isinstance(params, dict) and set(params) == {name} else [None]
    days = values[0] if isinstance(default, list) else values
    if not isinstance(days, list) or not all(type(day) is date for day in days):
        yield LumbungError(f"not the parameter of {contract.address}", where=where, remedy=example)
