"""What of a file to be loaded does not fit the table's columns, by BigQuery's rules.

local-bigquery casts what DuckDB can cast: 1.5 becomes 2 in an INT64 column. It leaves out fields that the schema lacks,
and reads NULL where a JSON field's name differs in case.
"""

import contextvars
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from local_bigquery.engine import types
from local_bigquery.engine.database import quote
from local_bigquery.errors import BigQueryError
from local_bigquery.jobs.storage import literal

from bigquery import originals

# The SQL by which the load that this thread runs reads its files.
READER: contextvars.ContextVar[str] = contextvars.ContextVar("READER")
PREFIX = "Error while reading data, error message: "
SHOWN_CHARACTERS = 100
RECORDS = {"RECORD", "STRUCT"}
INTEGERS = {f"{sign}{size}INT" for sign in ("", "U") for size in ("TINY", "SMALL", "BIG")} | {"INTEGER", "UINTEGER"}
TIMESTAMPS = {"TIMESTAMP", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE"}
# The types of a Parquet file, as DuckDB names them, that BigQuery converts to a column's type:
# https://cloud.google.com/bigquery/docs/loading-data-cloud-storage-parquet#type_conversions. What the page does not
# tell apart is let through: bytes that are text, and timestamps with and without a time zone.
PARQUET_TYPES = {
    "BOOL": {"BOOLEAN"},
    "INT64": INTEGERS,
    "FLOAT64": {"FLOAT", "DOUBLE"},
    "NUMERIC": {"DECIMAL"},
    "BIGNUMERIC": {"DECIMAL"},
    "STRING": {"VARCHAR", "BLOB", "DECIMAL"},
    "BYTES": {"BLOB"},
    "DATE": {"DATE"},
    "TIME": {"TIME"},
    "DATETIME": TIMESTAMPS,
    "TIMESTAMP": TIMESTAMPS,
}
CHECKED_TYPES = set().union(*PARQUET_TYPES.values())
# JSON has one type of number, so 1.0 is an integer there; BigQuery does not read it as one from CSV.
INTEGER_TEXT = {"CSV": r"\s*[+-]?\d+\s*", "NEWLINE_DELIMITED_JSON": r"\s*[+-]?\d+(\.0*)?\s*"}
# Beside these, DuckDB takes 1, t, yes and more, as BigQuery does in CSV only.
BOOLEAN_TEXT = "(?i)true|false"


class ParquetColumn(NamedTuple):
    """A column of a Parquet file, or a level of a nested one."""

    name: str
    kind: str
    children: list["ParquetColumn"]


def read_source(cursor: Any, files: str, config: Any, fields: list[Any]) -> str:
    """Return the SQL that reads a load's files, once their names and types fit. In place of `load._reader`.

    Args:
        cursor: the job's cursor.
        files: the files' paths, as an SQL list.
        config: the job's configuration.
        fields: the schema that the job gives; empty where it gives none.

    Raises:
        BigQueryError: a file has a field that the schema lacks, or Parquet of another type.
    """
    if fields and config.sourceFormat == "PARQUET":
        for columns in parquet_columns(cursor, files):
            refuse_parquet_types(columns, fields, config)
    if fields and config.sourceFormat == "NEWLINE_DELIMITED_JSON":
        fields = fields_as_spelled(cursor, files, config, fields)
    reader = str(originals.read_source(cursor, files, config, fields))
    READER.set(reader)
    return reader


def parquet_columns(cursor: Any, files: str) -> Iterator[list[ParquetColumn]]:
    """Yield the columns of each Parquet file, from its footer alone.

    Args:
        cursor: any cursor.
        files: the files' paths, as an SQL list.
    """
    rows = cursor.execute(
        "SELECT name, CASE WHEN converted_type = 'DECIMAL' THEN 'DECIMAL' ELSE duckdb_type END,"
        f" coalesce(num_children, 0) FROM parquet_schema({files})"
    ).fetchall()
    levels = iter(rows)

    def column(name: str, kind: str, count: int) -> ParquetColumn:
        return ParquetColumn(name, kind, [column(*next(levels)) for _ in range(count)])

    for root in levels:
        yield column(*root).children


def refuse_parquet_types(columns: list[ParquetColumn], fields: list[Any], config: Any, path: str = "") -> None:
    """Refuse columns of a Parquet file that do not convert to the schema's, or that the schema lacks.

    Args:
        columns: the file's columns.
        fields: the schema that the job gives.
        config: the job's configuration.
        path: the names of the columns around these, each with a point behind it.

    Raises:
        BigQueryError: there is such a column.
    """
    schema = {field.name.casefold(): field for field in fields}
    for column in columns:
        name, field = f"{path}{column.name}", schema.get(column.name.casefold())
        if field is None:
            if not config.ignoreUnknownValues:
                raise unknown_field("The Parquet file", name)
            continue
        inner = {inner.name.casefold() for inner in field.fields or []}
        values = column
        while len(values.children) == 1 and values.children[0].name.casefold() not in inner:  # a list's levels
            values = values.children[0]
        if field.type in RECORDS:
            refuse_parquet_types(values.children, field.fields or [], config, f"{name}.")
            continue
        target = types.STANDARD.get(field.type, field.type)
        if values.kind in CHECKED_TYPES and values.kind not in PARQUET_TYPES.get(target, CHECKED_TYPES):
            raise BigQueryError(
                "invalid",
                f"{PREFIX}Parquet column '{name}' has type {values.kind}, which does not convert to {target}, the type "
                "of the table's column",
            )


def unknown_field(where: str, path: str) -> BigQueryError:
    """Return the error for a field that the schema lacks."""
    return BigQueryError(
        "invalid",
        f"{PREFIX}No such field: {path}. {where} has it, the schema lacks it; ignoreUnknownValues leaves it out",
    )


def fields_as_spelled(cursor: Any, files: str, config: Any, fields: list[Any]) -> list[Any]:
    """Return a schema's fields under the names that the JSON files have for them, which may differ in case.

    Args:
        cursor: the job's cursor.
        files: the files' paths, as an SQL list.
        config: the job's configuration.
        fields: the schema that the job gives.

    Raises:
        BigQueryError: a row has a field that the schema lacks, or the rows spell a name in several ways.
    """
    options = "format = 'newline_delimited', records = false, columns = {json: 'JSON'}"
    rows = f"read_json({files}, {options}, hive_partitioning = false)"
    ((structure,),) = cursor.execute(f"SELECT json_group_structure(json) FROM {rows}").fetchall()
    try:
        return respell(json.loads(structure or "{}"), fields, config)
    except BigQueryError:
        found = cursor.execute(f"SELECT row_number() OVER (), json_structure(json) FROM {rows}")
        while row := found.fetchone():
            respell(json.loads(row[1]), fields, config, where=f"Row {row[0]}")
        raise


def respell(structure: Any, fields: list[Any], config: Any, path: str = "", where: str = "The file") -> list[Any]:
    """Return fields under the names that they have in a structure.

    Args:
        structure: names and types of JSON objects, as DuckDB's `json_structure` gives them.
        fields: the schema's fields.
        config: the job's configuration.
        path: the names of the fields around these, each with a point behind it.
        where: what has the structure, for messages.

    Raises:
        BigQueryError: the structure has a name that the schema lacks, or a name in several spellings.
    """
    while isinstance(structure, list) and structure:
        structure = structure[0]
    if not isinstance(structure, dict):  # rows of several kinds; the reader refuses those that are not objects
        return fields
    spellings: dict[str, list[str]] = {}
    for name in structure:
        spellings.setdefault(name.casefold(), []).append(name)
    spelled = []
    for field in fields:
        names = spellings.pop(field.name.casefold(), [field.name])
        if len(names) > 1:
            raise BigQueryError(
                "invalid",
                f"{PREFIX}{where} spells the field '{path}{field.name}' in several ways ({', '.join(names)}). BigQuery "
                "reads them all; not supported locally: use one spelling",
            )
        inner = {}
        if field.type in RECORDS:
            inner["fields"] = respell(structure.get(names[0]), field.fields or [], config, f"{path}{names[0]}.", where)
        spelled.append(field.replace(name=names[0], **inner))
    if spellings and not config.ignoreUnknownValues:
        raise unknown_field(where, path + next(iter(spellings.values()))[0])
    return spelled


def textual(field: Any) -> Any:
    """Return a nested field whose values are read as text, so that they can be judged. In place of `load._textual`."""
    if field.type in RECORDS:
        return field.replace(fields=[textual(inner) for inner in field.fields or []])
    return field if field.type in ("JSON", "RANGE") else field.replace(type="STRING")


def project(config: Any, fields: list[Any], columns: list[str]) -> tuple[str, str]:
    """Return the columns that a load writes, and the condition of rows that do not fit. In place of `load._projection`.

    That one decodes BYTES as base64 in any format, but Parquet, Avro and ORC hold the bytes themselves.

    Args:
        config: the job's configuration.
        fields: the schema that the job gives.
        columns: the columns that the files have.
    """
    projection, bad = originals.project(config, fields, columns)
    if not fields:
        return projection, bad
    if (kind := config.sourceFormat or "CSV") in INTEGER_TEXT:
        return projection, " OR ".join(misfit(quote(field.name), field, kind) for field in fields)
    declared = {field.name.casefold() for field in fields}
    casts = [f"CAST({quote(field.name)} AS {types.duckdb_type(field)}) AS {quote(field.name)}" for field in fields]
    if config.hivePartitioningOptions:
        casts += [quote(column) for column in columns if column.casefold() not in declared]
    return ", ".join(casts), bad


def misfit(expression: str, field: Any, kind: str, depth: int = 0) -> str:
    """Return the SQL condition of a value, read as text, that does not fit a field.

    Args:
        expression: the value.
        field: the schema's field.
        kind: the source format.
        depth: how many lists the value is in.
    """
    if field.mode == "REPEATED":
        inner = misfit(f"e{depth}", field.replace(mode="NULLABLE"), kind, depth + 1)
        return f"coalesce(list_bool_or(list_transform({expression}, lambda e{depth}: {inner})), false)"
    if field.type in RECORDS:
        conditions = [misfit(f"{expression}.{quote(inner.name)}", inner, kind, depth) for inner in field.fields or []]
        return f"({' OR '.join(conditions) or 'false'})"
    value = f"TRY(from_base64({expression}))" if field.type == "BYTES" else expression
    condition = f"TRY_CAST({value} AS {types.duckdb_type(field)}) IS NULL"
    pattern = {
        "INT64": INTEGER_TEXT[kind],
        "BOOL": BOOLEAN_TEXT if kind == "NEWLINE_DELIMITED_JSON" else None,
    }.get(types.STANDARD.get(field.type, field.type))
    if pattern:
        condition += f" OR NOT regexp_full_match({expression}, {literal(pattern)})"
    return f"({expression} IS NOT NULL AND ({condition}))"


def first_misfit(cursor: Any, config: Any) -> str:
    """Return the first row and field of a load's files that does not fit, as a sentence.

    Args:
        cursor: the job's cursor.
        config: the job's configuration.
    """
    kind, found = config.sourceFormat or "CSV", []
    for position, field in enumerate(config.schema_.fields):
        name = quote(field.name)
        found += [
            (row, position, field, value)
            for row, value in cursor.execute(
                f'SELECT "[row]", {name}::VARCHAR FROM (SELECT *, row_number() OVER () AS "[row]" FROM {READER.get()})'
                f' WHERE {misfit(name, field, kind)} ORDER BY "[row]" LIMIT 1'
            ).fetchall()
        ]
    row, _, field, value = min(found, key=lambda item: item[:2])
    shown = value if len(value) <= SHOWN_CHARACTERS else f"{value[:SHOWN_CHARACTERS]}…"
    return f"Row {row}, field {field.name}: '{shown}' is not a value of {types.bigquery_type(field)}"
