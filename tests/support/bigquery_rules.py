"""BigQuery's published rules as code: what it would refuse of the requests that a run sends.

`RULES` names every rule and the page of Google's documentation that it is from; "design" marks our own, stricter ones.
"""

import io
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from support.bigquery_methods import method_of
from support.bigquery_rates import Changes
from support.bigquery_recorder import Request
from support.bigquery_sql import read_sql
from support.discovery import api

RULES = {
    "document": "a request is as the API's discovery document has it",  # discovery document of bigquery v2
    # REST reference. Streaming is tabledata.insertAll; jobs.query is left out as it takes no destination table.
    "method": "only these API methods are used",
    "one kind": "a job is exactly one of load, query and copy",  # REST reference: JobConfiguration
    "job id": "a job id is 1 to 1,024 letters, digits, _ and -",  # REST reference: JobReference
    "job location": "a job runs where its data sets are",  # Dataset locations
    "label": "at most 64 labels; keys and values of a-z, 0-9, _ and -, at most 63; keys begin with a letter",  # Labels
    "name": "data set names have letters, digits and _, table names - as well, at most 1,024",  # REST reference: Table
    "decorator": "a partition of a daily partitioned table is table$YYYYMMDD",  # Manage partitioned tables
    "disposition": "what writes says WRITE_TRUNCATE and CREATE_IF_NEEDED; what does not write says neither",  # design
    "source": "a load has either a file or gs:// addresses, with neither a # nor two *",  # JobConfigurationLoad
    "format": "a load is of Parquet",  # design
    "schema": "a load has an explicit schema, not autodetect",  # design
    "column": "columns have distinct legal names and known types and modes",  # Specify a schema
    "list": "lists in Parquet become arrays by enableListInference",  # Load Parquet data: list logical type
    "partitioning": "what is written by partition is partitioned by the day of a DATE column",  # Partitioned tables
    "file": "a Parquet file's columns are the schema's and convert to its types",  # Load Parquet data: conversions
    "compression": "a Parquet file is compressed by a codec that BigQuery reads",  # Load Parquet data: compression
    "partition rows": "rows loaded into a partition belong to it",  # Partitioned tables: write to a partition
    "legacy": "queries are GoogleSQL",  # REST reference: JobConfigurationQuery, whose default is legacy SQL
    "statement": "a query to a table is one SELECT; other queries are SELECTs and ASSERTs",  # Sandbox; Multi-statement
    "sql decorator": "GoogleSQL names no partition by decorator",  # Manage partitioned tables: only bq and the API do
    "length": "a query is at most 1 MB",  # Quotas and limits: query jobs
    "parameter": "parameters are named, typed and given, and those that are used are there",  # Parameterized queries
    "bytes billed": "a query carries the bound on bytes billed that is set",  # JobConfigurationQuery
    "copy partition": "a copy is of a table to a table, or of a partition to a partition",  # Manage partitioned tables
    # Manage partitioned tables: its copies into a partition are into tables that are there. A copy job, unlike a load
    # and a query job, has no timePartitioning to make one with.
    "copy target": "a copy into a partition is into a table that is there",
    "data set location": "a data set is made in the configured location",  # Dataset locations
    "data set expiration": "tables of a data set live an hour or longer",  # REST reference: Dataset
    "data set early": "data sets are made before the first job",  # design: bigquery.datasets.create at the start only
    "description": "a table's description has at most 16,384 characters, a column's 1,024",  # Quotas and limits: tables
    "patch": "a patch changes description, labels and schema",  # design
    # Quotas and limits: standard and partitioned tables, read on 2026-11-28. Loads, copies, queries to a table, inserts
    # and patches count together, also those that fail or change nothing.
    "rate": "a run changes a table at most 5 times within 10 seconds, 50 times if it is partitioned",
    "modifications": "a run writes a whole table once: 1,500 times a day are then a run each minute",
    "partitions": "a job changes at most 4,000 partitions",
    "patch schema": "a patch keeps the columns that were loaded and their types",  # Modify table schemas
}

LABEL_KEY, LABEL_VALUE = re.compile(r"[a-z][a-z0-9_-]{0,62}"), re.compile(r"[a-z0-9_-]{0,63}")
DECORATED = re.compile(r"(.+)\$(\d{8})")
COLUMN = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,299}")
ARROW = {
    "STRING": [pa.string()],
    "INTEGER": [pa.int64()],
    "INT64": [pa.int64()],
    "FLOAT": [pa.float64()],
    "FLOAT64": [pa.float64()],
    "BOOLEAN": [pa.bool_()],
    "BOOL": [pa.bool_()],
    "NUMERIC": [pa.decimal128(38, 9)],
    "DATE": [pa.date32()],
    "TIMESTAMP": [pa.timestamp("us", "UTC"), pa.timestamp("ms", "UTC")],
    "JSON": [pa.string()],
}
PARAMETERS = {
    "DATE": r"\d{4}-\d{2}-\d{2}",
    "STRING": r".*",
    "INT64": r"-?\d+",
    "FLOAT64": r".+",
    "BOOL": "true|false",
    "TIMESTAMP": r".+",
}
CODECS = {"UNCOMPRESSED", "SNAPPY", "GZIP", "ZSTD", "LZ4_RAW", "LZO"}
MEGABYTE = 1024 * 1024
HOUR_MS = 3_600_000

Faults = Iterator[tuple[str, str]]
"""The rule that is broken, and by what."""


def violations(
    requests: Sequence[Request],
    location: str,
    *,
    max_bytes_billed: int | None = None,
    read: Callable[[str], bytes] | None = None,
) -> list[str]:
    """What BigQuery, or the design, would refuse.

    Args:
        requests: what was sent, in order.
        location: the configured location.
        max_bytes_billed: the configured bound on a query.
        read: gives the content of a gs:// address, for the files that BigQuery reads itself.

    Returns:
        A line for each violation: the rule's name, the request, the rule, and what broke it.
    """
    lines = []
    seen = _Seen(location, max_bytes_billed, read)
    for request in requests:
        for rule, what in seen.faults(request):
            lines.append(f"{rule}: {request.method} {request.path}: {RULES[rule]}, not: {what}")
    return lines


class _Seen:
    """What the requests so far have made."""

    def __init__(self, location: str, max_bytes_billed: int | None, read: Callable[[str], bytes] | None) -> None:
        self.location, self.max_bytes_billed, self.read = location, max_bytes_billed, read
        self.jobs = 0
        self.tables: set[str] = set()
        self.schemas: dict[str, list[dict[str, Any]]] = {}
        self.changes = Changes()

    def faults(self, request: Request) -> Faults:
        name, body = method_of(request), request.body or {}
        for fault in api("bigquery.v2").faults(request.method, request.path, request.query, request.body):
            yield "document", fault
        yield from self.changes.faults(name, request)
        match name:
            case None:
                yield "method", f"{request.method} {request.path}"
            case "jobs.insert":
                yield from self._job(body, request)
            case "datasets.insert":
                yield from self._data_set(body)
            case "tables.insert":
                yield from self._table(body)
                self.tables.add(_name(body["tableReference"]))
            case "tables.patch":
                yield from self._patch(_address(request.path), body)
            case "tables.get" if request.status == 200:
                self.tables.add(_address(request.path))
            # Which location is not held against the configured one: the client takes it from the server's answer to
            # jobs.insert, and the local server always says US.
            case "jobs.get" | "jobs.getQueryResults" if "location" not in request.query:
                yield "job location", "none"

    def _job(self, body: dict[str, Any], request: Request) -> Faults:
        self.jobs += 1
        config, reference = body["configuration"], body.get("jobReference", {})
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,1024}", reference.get("jobId", "")):
            yield "job id", f"{reference.get('jobId')}"
        if reference.get("location") != self.location:
            yield "job location", f"{reference.get('location')}"
        yield from _labels(config.get("labels", {}))
        kinds = [kind for kind in ("load", "query", "copy", "extract") if kind in config]
        if kinds not in (["load"], ["query"], ["copy"]):
            yield "one kind", f"{kinds}"
        if "load" in config:
            yield from self._load(config["load"], request)
        if "query" in config:
            yield from self._query(config["query"])
        if "copy" in config:
            yield from self._copy(config["copy"])

    def _load(self, load: dict[str, Any], request: Request) -> Faults:
        yield from _reference(load["destinationTable"])
        yield from _truncates(load)
        uris = load.get("sourceUris", [])
        bad = [uri for uri in uris if not re.fullmatch(r"gs://[^/*#]+/[^#*]*\*?[^#*]*", uri)]
        if bad or bool(uris) == bool(request.media):
            yield "source", f"{bad or ('both' if uris else 'neither')}"
        if load.get("sourceFormat") != "PARQUET":
            yield "format", f"{load.get('sourceFormat')}"
        fields = load.get("schema", {}).get("fields", [])
        if not fields or load.get("autodetect"):
            yield "schema", f"autodetect {load.get('autodetect')}, {len(fields)} columns"
        yield from _columns(fields)
        if any(field.get("mode") == "REPEATED" for field in fields) and not load.get("parquetOptions", {}).get(
            "enableListInference"
        ):
            yield "list", "no enableListInference"
        yield from _partitioning(load, fields)
        table, day = _partition(load["destinationTable"])
        contents = [request.media] if request.media else [self.read(uri) for uri in uris] if self.read else []
        for content in contents:
            yield from _parquet(content, fields, load.get("timePartitioning", {}).get("field"), day)
        self.tables.add(table)
        self.schemas[table] = fields

    def _query(self, query: dict[str, Any]) -> Faults:
        sql = query["query"]
        if query.get("useLegacySql") is not False:
            yield "legacy", f"useLegacySql {query.get('useLegacySql')}"
        if len(sql.encode()) > MEGABYTE:
            yield "length", f"{len(sql.encode())} bytes"
        kinds, used, tables = read_sql(sql)
        if "destinationTable" in query:
            yield from _reference(query["destinationTable"])
            yield from _truncates(query)
            if kinds != ["SELECT"]:
                yield "statement", f"{kinds}"
        else:
            if set(kinds) - {"SELECT", "ASSERT"}:
                yield "statement", f"{kinds}"
            if extra := query.keys() & {"writeDisposition", "createDisposition", "timePartitioning", "clustering"}:
                yield "disposition", f"{sorted(extra)} without a destination"
        if decorated := [table for table in tables if "$" in table]:
            yield "sql decorator", f"{decorated}"
        yield from _parameters(query, used)
        bound = query.get("maximumBytesBilled")
        if self.max_bytes_billed and bound != str(self.max_bytes_billed):
            yield "bytes billed", f"{bound}"

    def _copy(self, copy: dict[str, Any]) -> Faults:
        sources = copy.get("sourceTables") or [copy["sourceTable"]]
        target, day = _partition(copy["destinationTable"])
        yield from _truncates(copy)
        for table in [*sources, copy["destinationTable"]]:
            yield from _reference(table)
            if _partition(table)[1] != day:
                yield "copy partition", f"{table['tableId']} to {copy['destinationTable']['tableId']}"
        if day and target not in self.tables:
            yield "copy target", target
        self.tables.add(target)

    def _data_set(self, data_set: dict[str, Any]) -> Faults:
        name = data_set["datasetReference"]["datasetId"]
        if not re.fullmatch(r"[A-Za-z0-9_]{1,1024}", name):
            yield "name", name
        if data_set.get("location") != self.location:
            yield "data set location", f"{data_set.get('location')}"
        for key in ("defaultTableExpirationMs", "defaultPartitionExpirationMs"):
            if key in data_set and int(data_set[key]) < HOUR_MS:
                yield "data set expiration", f"{key} {data_set[key]}"
        if self.jobs:
            yield "data set early", f"after {self.jobs} jobs"
        yield from _labels(data_set.get("labels", {}))

    def _table(self, table: dict[str, Any]) -> Faults:
        fields = table.get("schema", {}).get("fields", [])
        yield from _labels(table.get("labels", {}))
        yield from _columns(fields)
        if len(table.get("description") or "") > 16_384:
            yield "description", f"{len(table['description'])} characters"
        if "tableReference" in table:
            yield from _reference(table["tableReference"])
        if "timePartitioning" in table:
            yield from _partitioning(table, fields)

    def _patch(self, address: str, table: dict[str, Any]) -> Faults:
        if extra := table.keys() - {"description", "labels", "schema", "tableReference"}:
            yield "patch", f"{sorted(extra)}"
        yield from self._table(table)
        if "schema" in table and address in self.schemas:
            kept = {field["name"]: field["type"] for field in table["schema"]["fields"]}
            for field in self.schemas[address]:
                if kept.get(field["name"]) != field["type"]:
                    yield "patch schema", f"{address}.{field['name']}"


def _address(path: str) -> str:
    segments = path.split("/")
    return f"{segments[-3]}.{segments[-1]}"


def _name(reference: dict[str, str]) -> str:
    return f"{reference['datasetId']}.{reference['tableId']}"


def _partition(reference: dict[str, str]) -> tuple[str, str | None]:
    match = DECORATED.fullmatch(_name(reference))
    return (match[1], match[2]) if match else (_name(reference), None)


def _reference(reference: dict[str, str]) -> Faults:
    table, _, day = reference["tableId"].partition("$")
    if not re.fullmatch(r"[A-Za-z0-9_]{1,1024}", reference["datasetId"]) or not re.fullmatch(
        r"[A-Za-z0-9_-]{1,1024}", table
    ):
        yield "name", _name(reference)
    if "$" in reference["tableId"]:
        try:
            date.fromisoformat(f"{day[:4]}-{day[4:6]}-{day[6:]}")
        except ValueError:
            yield "decorator", reference["tableId"]


def _truncates(config: dict[str, Any]) -> Faults:
    given = config.get("writeDisposition"), config.get("createDisposition")
    if given != ("WRITE_TRUNCATE", "CREATE_IF_NEEDED"):
        yield "disposition", f"{given}"


def _labels(labels: dict[str, str]) -> Faults:
    if len(labels) > 64:
        yield "label", f"{len(labels)} labels"
    for key, value in labels.items():
        if not LABEL_KEY.fullmatch(key) or not LABEL_VALUE.fullmatch(value):
            yield "label", f"{key}={value}"


def _columns(fields: Sequence[dict[str, Any]]) -> Faults:
    names = [field["name"].casefold() for field in fields]
    for field in fields:
        if (
            not COLUMN.fullmatch(field["name"])
            or names.count(field["name"].casefold()) > 1
            or field["type"] not in ARROW
            or field.get("mode", "NULLABLE") not in ("NULLABLE", "REQUIRED", "REPEATED")
        ):
            yield "column", f"{field}"
        if len(field.get("description") or "") > 1_024:
            yield "description", f"column {field['name']}"


def _partitioning(config: dict[str, Any], fields: Sequence[dict[str, Any]]) -> Faults:
    spec = config.get("timePartitioning")
    if spec is None:
        if "$" in config.get("destinationTable", {}).get("tableId", ""):
            yield "partitioning", "a decorator without timePartitioning"
    elif spec.get("type") != "DAY" or (spec.get("field"), "DATE") not in [(f["name"], f["type"]) for f in fields]:
        yield "partitioning", f"{spec}"


def _parquet(content: bytes, fields: Sequence[dict[str, Any]], partition: str | None, day: str | None) -> Faults:
    file = pq.ParquetFile(io.BytesIO(content))
    schema = file.schema_arrow
    types = {field["name"]: field for field in fields}
    if set(schema.names) != types.keys():
        yield "file", f"columns {schema.names}"
    for column in schema:
        expected, repeated = types.get(column.name, {}), pa.types.is_list(column.type)
        kind = column.type.value_type if repeated else column.type
        if kind not in ARROW.get(expected.get("type"), []) or repeated != (expected.get("mode") == "REPEATED"):
            yield "file", f"{column.name} is {column.type}"
    metadata = file.metadata
    groups = [metadata.row_group(n) for n in range(metadata.num_row_groups)]
    codecs = {group.column(n).compression for group in groups for n in range(group.num_columns)}
    if codecs - CODECS:
        yield "compression", f"{codecs - CODECS}"
    if day and partition in schema.names:
        days = {f"{value}".replace("-", "") for value in file.read([partition])[partition].to_pylist()}
        if days - {day}:
            yield "partition rows", f"{days} in ${day}"


def _parameters(query: dict[str, Any], used: set[str]) -> Faults:
    given = query.get("queryParameters", [])
    if (given or used) and query.get("parameterMode") != "NAMED":
        yield "parameter", f"parameterMode {query.get('parameterMode')}"
    for parameter in given:
        kind, value = parameter.get("parameterType", {}), parameter.get("parameterValue", {})
        values = [value.get("value")]
        if kind.get("type") == "ARRAY":
            kind, values = kind.get("arrayType", {}), [element.get("value") for element in value.get("arrayValues", [])]
        form = PARAMETERS.get(kind.get("type"))
        if not parameter.get("name") or not form or any(not re.fullmatch(form, f"{text}", re.S) for text in values):
            yield "parameter", f"{parameter}"
    if missing := used - {parameter.get("name") for parameter in given}:
        yield "parameter", f"{sorted(missing)} not given"
