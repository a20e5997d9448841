"""Table contracts: `include/sql/<dataset>/<table>.yaml`, beside the query that makes the table, if any."""

from __future__ import annotations

import codecs
import json
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from lumbung.core.errors import LumbungError

# The C loader is ten times as fast, and DAG files are parsed for every task.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
SQL_ROOT = Path(__file__).resolve().parents[2] / "sql"
SCHEMA = SQL_ROOT / "contract.schema.json"
SCHEMA_LINE = f"# yaml-language-server: $schema=../{SCHEMA.name}"
"""The first line of a contract: editors take the schema from it."""
FROM_PATH = ("dataset", "table", "path")
"""What a contract knows from its file's path, and its text does not say."""


OWN_SYSTEM = "lumbung"
"""The system of the tables that the program writes about its own work."""

NOT_OF_FILES = ("idna", "punycode", "raw-unicode-escape", "unicode-escape", "utf-7")
"""What Python calls encodings besides those that files are written in."""
Severity = Literal["fail", "warn"]
Kind = Literal["csv", "json", "postgres", "xlsx"]
Type = Literal["STRING", "INT64", "NUMERIC", "FLOAT64", "BOOL", "DATE", "TIMESTAMP", "JSON", "ARRAY<STRING>"]
Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
QualifiedName = Annotated[str, Field(pattern=r"^([A-Za-z_][A-Za-z0-9_]*\.)?[A-Za-z_][A-Za-z0-9_]*$")]


class Strict(BaseModel):
    """A part of a contract: a key it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Column(Strict):
    """A column."""

    name: Name
    type: Type = "STRING"
    required: bool = Field(default=False, description="Never null; a key in a source's row is never blank either.")
    description: str = Field(description="What a value means, for people.")
    from_: str | None = Field(
        default=None, alias="from", min_length=1, description="Of a source: what its file calls the column."
    )
    decimal: Literal[",", "."] | None = Field(
        default=None,
        description="Of csv: the decimal mark of its numbers; the other mark groups thousands. Staging gets 1234.56.",
    )
    values: list[str] | None = Field(
        default=None,
        min_length=1,
        description="Of a source: the texts that are allowed; a row with another is rejected.",
    )
    parses_as: Literal["DATE", "TIMESTAMP"] | None = Field(
        default=None,
        description="Of a source: what its texts must be readable as; a row with another text is rejected."
        " A TIMESTAMP without a zone is in Asia/Jakarta.",
    )
    compared: bool = Field(
        default=True,
        description="Of a source: false leaves it out when rows of a key are compared; rows that differ only there are"
        " an identical repeat.",
    )

    @property
    def source_name(self) -> str:
        """What the source calls the column."""
        return self.from_ or self.name


class Source(Strict):
    """Where a staging table's rows come from: a file, a sheet of a workbook, or a table or query of PostgreSQL."""

    kind: Kind
    path: str | None = Field(
        default=None, description="Of csv, json and xlsx: the file, in its system's folder of sources."
    )
    delimiter: str = Field(default=",", description="Of csv: the character between two values.")
    encoding: str = Field(default="utf-8", description="Of csv: utf-8, utf-16, cp1252 or another that Python knows.")
    skip_rows: int = Field(default=0, ge=0, description="Of csv: lines above the header, which are not read.")
    sheet: str | None = Field(default=None, description="Of xlsx: the sheet's name.")
    header_row: int | None = Field(
        default=None, ge=1, description="Of xlsx: the row that names the columns; default: the first of the range."
    )
    range: str | None = Field(
        default=None,
        pattern=r"^[A-Z]{1,3}([1-9]\d*)?:[A-Z]{1,3}([1-9]\d*)?$",
        description="Of xlsx: the cells that are read, such as B3:F200 or B:F; default: all of the sheet.",
    )
    connection: str | None = Field(default=None, description="Of postgres: the Airflow connection.")
    table: QualifiedName | None = Field(default=None, description="Of postgres: the table, or <schema>.<table>.")
    query: str | None = Field(default=None, description="Of postgres, instead of a table: a SELECT.")
    row_security: Literal["refuse", "allow"] = Field(
        default="refuse",
        description="Of postgres: whether a policy of row-level security that hides rows from the user refuses the day,"
        " or is allowed and noted.",
    )
    optional: bool = Field(default=False, description="Of a file: it may be missing, which counts as no rows.")
    min_rows: int = Field(default=1, ge=0, description="Fewer rows refuse the day.")
    max_rejects: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="More rejects, as a share of the rows read, refuse the day; one is always allowed.",
    )

    @field_validator("delimiter")
    @classmethod
    def _one_character(cls, delimiter: str) -> str:
        if len(delimiter) != 1 or delimiter in '"\r\n':
            raise ValueError(f"{delimiter!r} is not one character; write ';' or, for a tab, \"\\t\" in double quotes")
        return delimiter

    @field_validator("encoding")
    @classmethod
    def _known(cls, encoding: str) -> str:
        try:
            "id".encode(encoding)
            name = codecs.lookup(encoding).name
        except (LookupError, UnicodeError):
            name = ""
        if name in ("", *NOT_OF_FILES):
            raise ValueError(f"{encoding!r} is not a file encoding that Python knows, such as utf-16 or cp1252")
        return name

    @model_validator(mode="after")
    def _complete(self) -> Self:
        needed = {"postgres": ("connection",), "xlsx": ("path", "sheet")}.get(self.kind, ("path",))
        if missing := [name for name in needed if getattr(self, name) is None]:
            raise ValueError(f"a {self.kind} source needs {' and '.join(missing)}")
        if self.kind == "postgres" and (self.table is None) == (self.query is None):
            raise ValueError("a postgres source needs either table or query")
        if self.path is not None and (Path(self.path).is_absolute() or ".." in Path(self.path).parts):
            raise ValueError(f"path {self.path!r} must stay inside the data source folder")
        if self.optional and self.path is None:
            raise ValueError("optional: only of a file")
        if self.kind != "xlsx" and (given := self.model_fields_set & {"sheet", "header_row", "range"}):
            raise ValueError(f"{' and '.join(sorted(given))}: only of an xlsx source")
        if self.kind != "csv" and (keys := sorted(self.model_fields_set & {"delimiter", "encoding", "skip_rows"})):
            raise ValueError(f"only a csv source takes {' and '.join(keys)}")
        return self

    @property
    def label(self) -> str:
        """What people call the source: the name of the file, the sheet or the table, or that it is a query."""
        if self.sheet:
            return f"{self.path}!{self.sheet}"
        return self.path or f"{self.connection}.{self.table or '(query)'}"


class Reference(Strict):
    """Columns whose values must exist as the key of another table."""

    columns: list[Name] = Field(description="Columns of this table.")
    table: str = Field(description="Of a check <dataset>.<table>; of a source another source, without its data set.")
    key: list[Name] = Field(description="The other table's columns, as many.")

    @model_validator(mode="after")
    def _paired(self) -> Self:
        if not self.columns or len(self.columns) != len(self.key):
            raise ValueError("a reference needs as many columns as the other table's key has")
        return self


class Check(Strict):
    """One check of a built table. Exactly one kind is given."""

    severity: Severity = Field(default="fail", description="fail stops the run, warn is noted.")
    unique: list[Name] | None = Field(default=None, description="Columns that together are unique, within a partition.")
    not_null: list[Name] | None = Field(default=None, description="Columns that are never null.")
    references: Reference | None = Field(default=None, description="Columns whose values exist as another table's key.")
    rows: dict[Literal["min", "max"], int] | None = Field(default=None, description="Bounds of the row count.")
    equal_rows: str | None = Field(
        default=None, description="A table with as many rows, <dataset>.<table>; a fan-out in a join breaks it."
    )
    expression: str | None = Field(default=None, description="GoogleSQL that is true in every row.")

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
    """What a table is: its grain, columns, checks and, in staging, its source."""

    dataset: Name = Field(description="The folder of the file.")
    table: Name = Field(description="The file's name.")
    description: str = Field(description="What a row represents, for people.")
    grain: str = Field(description="What a row is.")
    system: Name = Field(description="Whose table it is.")
    key: list[Name] = Field(description="Columns that identify a row (of a partition, if there is one).")
    columns: list[Column] = Field(description="All columns, in order.")
    partition: Name | None = Field(default=None, description="The DATE column that it is partitioned by.")
    incremental: bool = Field(
        default=False,
        description="A run rebuilds only the days that changed, and takes the others from what is published; its query"
        " gets them in a parameter named after the partition, with an s.",
    )
    references: list[Reference] = Field(
        default=[], description="Of a source: columns whose values exist as the key of another source of the system."
    )
    checks: list[Check] = Field(default=[], description="What else must hold once it is built.")
    source: Source | None = Field(default=None, description="Where its rows come from, if it is loaded from a source.")
    path: Path = Field(description="The contract's file.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        faults = []
        names = [column.name for column in self.columns]
        if repeated := {name for name in names if names.count(name) > 1}:
            faults.append(f"columns named twice: {', '.join(sorted(repeated))}")
        used = [*self.key, *([self.partition] if self.partition else [])]
        used += [name for reference in self.references for name in reference.columns]
        for check in self.checks:
            used += [*(check.unique or []), *(check.not_null or [])]
            used += check.references.columns if check.references else []
        if unknown := sorted(set(used) - set(names)):
            faults.append(f"no such columns: {', '.join(unknown)}")
        if self.source and self.partition != "snapshot_date":
            faults.append("a table with a source is partitioned by snapshot_date")
        kind = self.source.kind if self.source else None
        renamed = [column.name for column in self.columns if column.from_ is not None]
        if renamed and (kind in (None, "postgres") or self.partition in renamed):
            faults.append("from: is for the columns of a file; a query of postgres renames by AS")
        if kind != "csv" and any(column.decimal for column in self.columns):
            faults.append("decimal: is for the columns of a csv source")
        source_names = [column.source_name for column in self.business_columns]
        if repeated := {name for name in source_names if source_names.count(name) > 1} - repeated:
            faults.append(f"columns taken twice from the source: {', '.join(sorted(repeated))}")
        if checked := [c.name for c in self.columns if c.values or c.parses_as or not c.compared]:
            if self.source is None or self.partition in checked:
                faults.append("values:, parses_as: and compared: are for the columns that a source gives")
            if unchecked := [c.name for c in self.columns if not c.compared and c.name in self.key]:
                faults.append(f"compared: false is not for a key: {', '.join(unchecked)}")
            if both := [c.name for c in self.columns if c.values and c.parses_as]:
                faults.append(f"either values: or parses_as: {', '.join(both)}")
        if self.incremental and self.partition is None:
            faults.append("an incremental table needs a partition")
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def __hash__(self) -> int:
        """By its file, as the lists in it have no hash."""
        return hash(self.path)

    @property
    def definition(self) -> str:
        """All that the file says, as JSON: for checksums of what is made by it."""
        return self.model_dump_json(exclude={"path"})

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
        self.contracts, faults = read_all(root)
        for fault in faults.values():
            raise fault

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


def read_all(root: Path) -> tuple[dict[str, Contract], dict[str, LumbungError]]:
    """The contracts under a folder by address, and what is wrong with the files that are not contracts."""
    contracts, faults = {}, {}
    for path in sorted(root.glob("*/*.yaml")):
        try:
            contract = parse(path, path.read_bytes())
            contracts[contract.address] = contract
        except LumbungError as fault:
            faults[f"{path.parent.name}.{path.stem}"] = fault
    return contracts, faults


def json_schema() -> str:
    """The JSON Schema of a contract's file, for editors; `SCHEMA` is where it is kept."""
    schema = Contract.model_json_schema()
    for name in FROM_PATH:
        del schema["properties"][name]
        schema["required"].remove(name)
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}, indent=2) + "\n"


@cache  # every step asks for all contracts, and a task is forked from a process that has read them
def parse(path: Path, text: str | bytes) -> Contract:
    """A contract from the text of its file.

    Raises:
        LumbungError: the text is not a contract.
    """
    try:
        content = yaml.load(text, Loader=LOADER)  # noqa: S506 - a safe loader
        return Contract.model_validate({**content, "dataset": path.parent.name, "table": path.stem, "path": path})
    except (yaml.YAMLError, TypeError) as error:
        raise LumbungError(f"not a YAML contract ({error})", where=str(path), remedy="fix the file") from error
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise LumbungError(faults, where=str(path), remedy="fix the contract") from error
