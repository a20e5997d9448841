"""Table contracts: `include/sql/<dataset>/<table>.yaml`, beside the query that makes the table, if any."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from lumbung.core.errors import LumbungError

# The C loader is ten times as fast, and DAG files are parsed for every task.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
SQL_ROOT = Path(__file__).resolve().parents[2] / "sql"

Severity = Literal["fail", "warn"]
Type = Literal["STRING", "INT64", "NUMERIC", "FLOAT64", "BOOL", "DATE", "TIMESTAMP", "JSON", "ARRAY<STRING>"]
Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class Strict(BaseModel):
    """A part of a contract: a key it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Column(Strict):
    """A column; `required` means never null (and, in a source's row, never blank if it is a key)."""

    name: Name
    type: Type = "STRING"
    required: bool = False
    description: str


class Source(Strict):
    """Where a staging table's rows come from.

    A `csv` or `json` source is a file under LUMBUNG_DATA_SOURCE; a `postgres` one is a table behind the Airflow
    connection `connection`. `max_rejects` is a share of the rows read; one row is always allowed.
    """

    kind: Literal["csv", "json", "postgres"]
    path: str | None = None
    connection: str | None = None
    table: Name | None = None
    min_rows: int = Field(1, ge=0)
    max_rejects: float = Field(0.01, ge=0, le=1)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        needed = ("connection", "table") if self.kind == "postgres" else ("path",)
        if missing := [name for name in needed if getattr(self, name) is None]:
            raise ValueError(f"a {self.kind} source needs {' and '.join(missing)}")
        if self.path is not None and (Path(self.path).is_absolute() or ".." in Path(self.path).parts):
            raise ValueError(f"path {self.path!r} must stay inside the data source folder")
        return self

    @property
    def label(self) -> str:
        """What people call the source: the file's name or the table's."""
        return self.path or f"{self.connection}.{self.table}"


class Reference(Strict):
    """Columns whose values must exist as the key of another table."""

    columns: list[Name]
    table: str
    key: list[Name]

    @model_validator(mode="after")
    def _paired(self) -> Self:
        if not self.columns or len(self.columns) != len(self.key):
            raise ValueError("a reference needs as many columns as the other table's key has")
        return self


class Check(Strict):
    """One check of a built table. Exactly one kind is given.

    `unique` and `not_null` name columns; `references` another table's key; `rows` bounds the row count;
    `equal_rows` names a table with as many rows (a fan-out in a join breaks it); `expression` must hold in every row.
    """

    severity: Severity = "fail"
    unique: list[Name] | None = None
    not_null: list[Name] | None = None
    references: Reference | None = None
    rows: dict[Literal["min", "max"], int] | None = None
    equal_rows: str | None = None
    expression: str | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len(self.kinds) != 1:
            raise ValueError("a check is exactly one of unique, not_null, references, rows, equal_rows, expression")
        return self

    @property
    def kinds(self) -> list[str]:
        """The kinds given."""
        names = ("unique", "not_null", "references", "rows", "equal_rows", "expression")
        return [name for name in names if getattr(self, name) is not None]

    @property
    def other_tables(self) -> list[str]:
        """The addresses of the tables it compares with."""
        return [table for table in (self.references and self.references.table, self.equal_rows) if table]


class Contract(Strict):
    """What a table is: its grain, columns, checks and, in staging, its source.

    Attributes:
        dataset: the folder of the file.
        table: the file's name.
        description: what a row tells, for people.
        grain: what a row is.
        system: whose table it is.
        key: columns that identify a row (of a partition, if there is one).
        columns: all columns, in order.
        partition: the DATE column that it is partitioned by.
        incremental: whether a run rebuilds only the days that changed and takes the others from what is published;
            its query gets them in the parameter `days_parameter`.
        references: of a source, columns that must exist as the key of another source of the system.
        checks: what else must hold once it is built.
        source: where its rows come from, if it is loaded from a source.
        path: the contract's file.
    """

    dataset: Name
    table: Name
    description: str
    grain: str
    system: Name
    key: list[Name]
    columns: list[Column]
    partition: Name | None = None
    incremental: bool = False
    references: list[Reference] = []
    checks: list[Check] = []
    source: Source | None = None
    path: Path

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [column.name for column in self.columns]
        if repeated := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"columns named twice: {', '.join(sorted(repeated))}")
        used = [*self.key, *([self.partition] if self.partition else [])]
        used += [name for reference in self.references for name in reference.columns]
        for check in self.checks:
            used += [*(check.unique or []), *(check.not_null or [])]
            used += check.references.columns if check.references else []
        if unknown := sorted(set(used) - set(names)):
            raise ValueError(f"no such columns: {', '.join(unknown)}")
        if self.source and self.partition != "snapshot_date":
            raise ValueError("a table with a source is partitioned by snapshot_date")
        if self.incremental and self.partition is None:
            raise ValueError("an incremental table needs a partition")
        return self

    @property
    def address(self) -> str:
        """`<dataset>.<table>`, as SQL files write it."""
        return f"{self.dataset}.{self.table}"

    @cached_property
    def sql_path(self) -> Path:
        """The query beside the contract; it may not exist."""
        return self.path.with_suffix(".sql")

    @cached_property
    def business_columns(self) -> list[Column]:
        """The columns a source gives: all but the partition column."""
        return [column for column in self.columns if column.name != self.partition]

    @property
    def is_daily(self) -> bool:
        """Whether a run writes its own day's partition only."""
        return self.partition is not None and not self.incremental

    @property
    def days_parameter(self) -> str:
        """The query parameter of an incremental table that holds the days to rebuild, as ARRAY<DATE>."""
        return f"{self.partition}s"


class Catalog:
    """Every contract under a folder, by address.

    Raises:
        LumbungError: a file that is not a contract, or lies under another address than its own.
    """

    def __init__(self, root: Path = SQL_ROOT) -> None:
        self.root = root
        self.contracts = {c.address: c for c in map(_read, sorted(root.glob("*/*.yaml")))}

    def __getitem__(self, address: str) -> Contract:
        try:
            return self.contracts[address]
        except KeyError:
            raise LumbungError(
                f"no table {address}", where=str(self.root), remedy=f"add {address.replace('.', '/')}.yaml"
            ) from None

    def sources(self, system: str) -> list[Contract]:
        """The system's staging tables that have a source, by name."""
        return [c for c in self.contracts.values() if c.system == system and c.source]

    def datasets(self) -> list[str]:
        """Every dataset a contract lives in."""
        return sorted({c.dataset for c in self.contracts.values()})


def _read(path: Path) -> Contract:
    try:
        content = yaml.load(path.read_text(), Loader=LOADER)  # noqa: S506 - a safe loader
        return Contract.model_validate({**content, "dataset": path.parent.name, "table": path.stem, "path": path})
    except (yaml.YAMLError, TypeError) as error:
        raise LumbungError(f"not a YAML contract ({error})", where=str(path), remedy="fix the file") from error
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise LumbungError(faults, where=str(path), remedy="fix the contract") from error
