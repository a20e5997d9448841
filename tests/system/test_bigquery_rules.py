"""BigQuery's published rules as code: each of them reports a request that breaks it."""

import copy
from datetime import date, timedelta

import pyarrow as pa
import pytest

from support.bigquery_client import parquet
from support.bigquery_methods import DATA_EDITOR, JOB_USER, permissions
from support.bigquery_recorder import Request
from support.bigquery_rules import RULES, violations

FIRST, SECOND = date(2026, 11, 20), date(2026, 11, 21)
REFERENCE = {"projectId": "local", "datasetId": "staging", "tableId": "student$20261120"}
PLAIN = {**REFERENCE, "tableId": "student"}
WRITES = {"writeDisposition": "WRITE_TRUNCATE", "createDisposition": "CREATE_IF_NEEDED"}
FIELDS = [
    {"name": "id", "type": "STRING", "mode": "NULLABLE", "description": "An id."},
    {"name": "tags", "type": "STRING", "mode": "REPEATED"},
    {"name": "snapshot_date", "type": "DATE"},
]
ROWS = {"id": ["a"], "tags": [["x"]], "snapshot_date": [FIRST]}
LOAD = {
    **WRITES,
    "destinationTable": REFERENCE,
    "sourceFormat": "PARQUET",
    "schema": {"fields": FIELDS},
    "parquetOptions": {"enableListInference": True},
    "timePartitioning": {"type": "DAY", "field": "snapshot_date"},
}
PARAMETER = {"name": "day", "parameterType": {"type": "DATE"}, "parameterValue": {"value": "2026-11-20"}}
QUERY = {
    **WRITES,
    "query": "SELECT id FROM `local.staging.student` WHERE snapshot_date = @day",
    "useLegacySql": False,
    "destinationTable": PLAIN,
    "parameterMode": "NAMED",
    "queryParameters": [PARAMETER],
    "maximumBytesBilled": "1000",
}
SCRIPT = {
    "query": "ASSERT (SELECT COUNT(*) FROM `local.staging.student`) = 0 AS 'a; b'; ASSERT TRUE AS 'c';",
    "useLegacySql": False,
    "maximumBytesBilled": "1000",
}
FRESH = {"system": ["pinter_skuy"]}
WHOLE = {
    **WRITES,
    "destinationTable": {"projectId": "local", "datasetId": "datamart", "tableId": "freshness"},
    "sourceFormat": "PARQUET",
    "schema": {"fields": [{"name": "system", "type": "STRING"}]},
}
COPY = {**WRITES, "sourceTables": [REFERENCE], "destinationTable": REFERENCE}
TABLE = {"tableReference": PLAIN, "description": "Students.", "labels": {"layer": "staging"}}
DATA_SET = {"datasetReference": {"datasetId": "staging"}, "location": "US", "defaultTableExpirationMs": "3600000"}
PROJECT = "/bigquery/v2/projects/local"


def job(media=None, **configuration):
    body = {"configuration": {"labels": {"day": "2026-11-20"}, **configuration}}
    body["jobReference"] = {"projectId": "local", "jobId": "lumbung-1", "location": "US"}
    return Request("POST", f"{PROJECT}/jobs", body=body, media=media)


def begin():
    """Requests that are all right, by name."""
    return {
        "data set": Request("POST", f"{PROJECT}/datasets", body=copy.deepcopy(DATA_SET)),
        "load": job(parquet(ROWS), load=copy.deepcopy(LOAD)),
        "query": job(query=copy.deepcopy(QUERY)),
        "script": job(query=copy.deepcopy(SCRIPT)),
        "copy": job(copy=copy.deepcopy(COPY)),
        "patch": Request(
            "PATCH",
            f"{PROJECT}/datasets/staging/tables/student",
            body=copy.deepcopy({**TABLE, "schema": {"fields": FIELDS}}),
        ),
        "get": Request("GET", f"{PROJECT}/jobs/lumbung-1", {"location": "US"}),
        "whole": job(parquet(FRESH), load=copy.deepcopy(WHOLE)),
        "whole patch": Request(
            "PATCH",
            f"{PROJECT}/datasets/datamart/tables/freshness",
            body={"description": "Fresh.", "tableReference": WHOLE["destinationTable"]},
        ),
    }


def change(name, path, value):
    """Put a value at a path of a request's JSON; `...` takes the key out."""

    def do(requests):
        where = requests[name].body
        *parents, last = (int(key) if key.isdigit() else key for key in path.split("/"))
        for key in parents:
            where = where[key]
        if value is ...:
            del where[last]
        else:
            where[last] = value

    return do


def load(path, value):
    return change("load", f"configuration/load/{path}", value)


def query(path, value):
    return change("query", f"configuration/query/{path}", value)


def script(path, value):
    return change("script", f"configuration/query/{path}", value)


def media(content):
    return lambda requests: setattr(requests["load"], "media", content)


def add(method, path, **kwargs):
    return lambda requests: requests.update(added=Request(method, f"{PROJECT}{path}", **kwargs))


def again(*names):
    """Send the requests of those names again."""

    def do(requests):
        requests.update({f"again {number}": copy.deepcopy(requests[name]) for number, name in enumerate(names)})

    return do


def days(count):
    """Have the query give so many days."""
    values = {"arrayValues": [{"value": f"{FIRST + timedelta(days=n)}"} for n in range(count)]}
    kind = {"type": "ARRAY", "arrayType": {"type": "DATE"}}
    return query("queryParameters/0", {"name": "day", "parameterType": kind, "parameterValue": values})


def late(requests):
    requests["data set"] = requests.pop("data set")


BREAKS = [
    ("method", add("POST", "/datasets/staging/tables/student/insertAll", body={})),
    ("method", add("POST", "/queries", body={"query": "DELETE FROM t WHERE TRUE"})),
    ("method", add("DELETE", "/datasets/staging")),
    ("one kind", change("load", "configuration/query", QUERY)),
    ("one kind", change("script", "configuration", {"extract": {}})),
    ("job id", change("load", "jobReference/jobId", "a.b")),
    ("job id", change("load", "jobReference/jobId", ...)),
    ("job id", change("load", "jobReference/jobId", "a" * 1025)),
    ("job location", change("copy", "jobReference/location", "EU")),
    ("job location", lambda requests: requests["get"].query.clear()),
    ("label", change("load", "configuration/labels/day", "2026.11")),
    ("label", change("copy", "configuration/labels/Day", "x")),
    ("label", change("script", "configuration/labels/day", "x" * 64)),
    ("label", change("query", "configuration/labels", {f"a{n}": "" for n in range(65)})),
    ("label", change("data set", "labels", {"": "x"})),
    ("label", change("patch", "labels/layer", "Staging")),
    ("name", load("destinationTable/datasetId", "stag-ing")),
    ("name", query("destinationTable/tableId", "a.b")),
    ("name", change("data set", "datasetReference/datasetId", "a-b")),
    ("decorator", load("destinationTable/tableId", "student$2026112")),
    ("decorator", load("destinationTable/tableId", "student$20261131")),
    ("disposition", load("writeDisposition", ...)),
    ("disposition", load("createDisposition", "CREATE_NEVER")),
    ("disposition", query("writeDisposition", "WRITE_APPEND")),
    ("disposition", script("writeDisposition", "WRITE_TRUNCATE")),
    ("disposition", change("copy", "configuration/copy/createDisposition", ...)),
    ("source", media(None)),
    ("source", load("sourceUris", ["gs://b/x"])),
    ("source", lambda requests: (media(None)(requests), load("sourceUris", ["file:///x"])(requests))),
    ("source", lambda requests: (media(None)(requests), load("sourceUris", ["gs://b/x#1"])(requests))),
    ("source", lambda requests: (media(None)(requests), load("sourceUris", ["gs://b/*/*"])(requests))),
    ("format", load("sourceFormat", "CSV")),
    ("schema", load("autodetect", True)),
    ("schema", load("schema", ...)),
    ("column", load("schema/fields/0/name", "first name")),
    ("column", load("schema/fields/0/name", "TAGS")),
    ("column", load("schema/fields/0/type", "VARCHAR")),
    ("column", load("schema/fields/0/mode", "OPTIONAL")),
    ("list", load("parquetOptions", ...)),
    ("partitioning", load("timePartitioning", ...)),
    ("partitioning", load("timePartitioning/type", "MONTH")),
    ("partitioning", load("timePartitioning/field", "id")),
    ("partitioning", load("timePartitioning/field", "day")),
    ("file", media(parquet({"id": ["a"], "tags": [["x"]]}))),
    ("file", media(parquet({**ROWS, "more": ["x"]}))),
    ("file", media(parquet({**ROWS, "id": [1]}))),
    ("file", media(parquet({**ROWS, "tags": ["x"]}))),
    ("compression", media(parquet(ROWS, compression="brotli"))),
    ("partition rows", media(parquet({**ROWS, "snapshot_date": [SECOND]}))),
    ("partition rows", media(parquet({**ROWS, "snapshot_date": pa.array([None], pa.date32())}))),
    ("legacy", query("useLegacySql", ...)),
    ("legacy", script("useLegacySql", True)),
    ("statement", query("query", "SELECT @day; SELECT 1")),
    ("statement", query("query", "INSERT INTO t SELECT @day")),
    ("statement", script("query", "CREATE TABLE t AS SELECT 1 AS n")),
    ("statement", script("query", "ASSERT TRUE AS 'x'; DELETE FROM t WHERE TRUE")),
    ("statement", script("query", "EXECUTE IMMEDIATE 'DROP TABLE t'")),
    ("statement", script("query", "SELECT (")),
    ("sql decorator", script("query", "SELECT 1 FROM `local.staging.student$20261120`")),
    ("length", script("query", f"SELECT '{'x' * 1024 * 1024}'")),
    ("parameter", query("parameterMode", "POSITIONAL")),
    ("parameter", query("queryParameters", [])),
    ("parameter", query("queryParameters/0/parameterType", {})),
    ("parameter", query("queryParameters/0/parameterValue/value", "20261120")),
    ("bytes billed", query("maximumBytesBilled", ...)),
    ("bytes billed", script("maximumBytesBilled", "2000")),
    ("copy partition", change("copy", "configuration/copy/sourceTables/0", PLAIN)),
    ("copy partition", change("copy", "configuration/copy/destinationTable", PLAIN)),
    ("copy target", change("copy", "configuration/copy/destinationTable", {**REFERENCE, "tableId": "new$20261120"})),
    ("data set location", change("data set", "location", "EU")),
    ("data set expiration", change("data set", "defaultTableExpirationMs", "3599999")),
    ("data set early", late),
    ("description", change("patch", "description", "x" * 16_385)),
    ("description", load("schema/fields/0/description", "x" * 1_025)),
    ("document", load("clustering", None)),
    ("document", load("writeDispositon", "WRITE_TRUNCATE")),
    ("document", load("autodetect", "yes")),
    ("document", query("maximumBytesBilled", 1000)),
    ("document", lambda requests: requests["get"].query.update(locaton="US")),
    ("document", add("GET", "/queues/x")),
    ("rate", again("whole", "whole patch", "whole patch", "whole patch", "whole patch")),
    ("rate", again(*["patch"] * 49)),
    ("modifications", again("whole")),
    ("partitions", days(4_001)),
    ("patch", change("patch", "expirationTime", "1")),
    ("patch schema", change("patch", "schema/fields", FIELDS[:2])),
    ("patch schema", change("patch", "schema/fields/0/type", "INT64")),
]


def broken(requests):
    lines = violations(list(requests.values()), "US", max_bytes_billed=1000)
    return {line.partition(":")[0] for line in lines}


def test_correct_requests_break_no_rule():
    assert violations(list(begin().values()), "US", max_bytes_billed=1000) == []


@pytest.mark.parametrize("count", [0, 2])
def test_an_array_of_days_is_a_parameter_as_any_other(count):
    requests = begin()
    days(count)(requests)
    assert broken(requests) == set()


def test_a_value_in_an_array_has_its_type():
    requests = begin()
    days(2)(requests)
    change("query", "configuration/query/queryParameters/0/parameterValue/arrayValues/1/value", "20261120")(requests)
    assert broken(requests) == {"parameter"}


@pytest.mark.parametrize(("rule", "breach"), BREAKS, ids=[f"{n} {rule}" for n, (rule, _) in enumerate(BREAKS)])
def test_a_breach_is_reported(rule, breach):
    requests = begin()
    breach(requests)
    assert rule in broken(requests)


def test_every_rule_can_be_broken():
    assert {rule for rule, _ in BREAKS} == RULES.keys()


def test_more_than_an_editor_s_permissions_are_seen():
    assert permissions([Request("DELETE", f"{PROJECT}/datasets/staging")]) - DATA_EDITOR - JOB_USER
