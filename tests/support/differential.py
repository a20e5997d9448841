"""Probes of GoogleSQL, answered by the local BigQuery server and by Google's own engine, and how the answers differ.

The probes are text files of one line each: an expression, or a query that begins with SELECT, WITH, FROM or a bracketed
SELECT. `tables.sql` holds the tables that they read.
"""

import base64
import dataclasses
import datetime
import json
import re
import struct
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import requests
import yaml

FOLDER = Path(__file__).parents[1] / "services" / "bigquery" / "differential"
QUERY = re.compile(r"\(*(SELECT|WITH|FROM)\b", re.IGNORECASE)
ORDERED = re.compile(r"\bORDER BY [^()]*(\([^()]*\)[^()]*)*$", re.IGNORECASE)
NAMES = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL", "RECORD": "STRUCT"}
DATASET = "probe"
OPTIONS = {"defaultDataset": {"datasetId": DATASET}, "formatOptions": {"useInt64Timestamp": True}}
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
BATCH = 40  # expressions in one query


@dataclasses.dataclass(frozen=True)
class Answer:
    """What an engine says to a probe.

    Args:
        types: the columns' types, such as `INT64, STRING`; empty: the probe was refused.
        names: the columns' names; empty where the column has none.
        rows: the rows as text, in the query's order or, where it has none, sorted.
        refusal: the error's message.
    """

    types: str = ""
    names: tuple[str, ...] = ()
    rows: str = ""
    refusal: str = ""

    def __str__(self) -> str:
        return f"refused: {self.refusal}" if self.refusal else f"{self.types} {self.rows}"


def probes(name: str = "*") -> list[str]:
    """Return the lines of the files of probes, without comments."""
    files = sorted(path for path in FOLDER.glob(f"{name}.txt") if name != "*" or path.stem != "unanswered")
    lines = [line.strip() for path in files for line in path.read_text().splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def table_statements() -> Iterator[tuple[str, str]]:
    """Yield the name and the query of each table that probes read."""
    text = re.sub(r"(?m)^--.*\n", "", (FOLDER / "tables.sql").read_text())
    for statement in text.split(";"):
        if match := re.match(r"\s*CREATE TABLE (\w+) AS\s+(.*)", statement, re.DOTALL):
            yield match[1], match[2]


def is_query(probe: str) -> bool:
    return bool(QUERY.match(probe))


def as_query(probe: str) -> str:
    return probe if is_query(probe) else f"SELECT {probe}\nAS value"


def answer(probe: str, columns: list[tuple[str, str]], rows: list[list[Any]]) -> Answer:
    """Return an answer to a probe.

    Args:
        probe: the query.
        columns: the names and types.
        rows: values that JSON can hold; floating-point numbers are compared by 15 digits.
    """
    texts = [json.dumps(row, ensure_ascii=False, sort_keys=True)[1:-1] for row in rows]
    if not ORDERED.search(probe):
        texts.sort()
    types = ", ".join(kind for _, kind in columns)
    return Answer(types, tuple(name for name, _ in columns), "; ".join(texts))


def difference(google: Answer, local: Answer) -> str:
    """Return the kind of the difference between two answers; empty: none."""
    assert "internal error" not in local.refusal.casefold(), f"the server failed: {local.refusal}"
    if google.refusal or local.refusal:
        if google.refusal and local.refusal:
            return ""
        return "accepted" if google.refusal else "refused"
    if google.types != local.types:
        return "type"
    if google.rows != local.rows:
        return "value"
    named = [pair for pair in zip(google.names, local.names, strict=True) if pair[0]]
    return "name" if any(ours != theirs for ours, theirs in named) else ""


class Local:
    """The local BigQuery server, through its HTTP API.

    Args:
        url: the server's address.
    """

    def __init__(self, url: str) -> None:
        self.session = requests.Session()
        self.session.trust_env = False
        self.url = f"{url}/bigquery/v2/projects/local/queries"

    def make_tables(self) -> None:
        """Make the tables that probes read, once for a server."""
        self._post(f"CREATE SCHEMA IF NOT EXISTS {DATASET}")
        for name, query in table_statements():
            self._post(f"CREATE OR REPLACE TABLE {name} AS {query}")

    def _post(self, query: str) -> Any:
        body = {"query": query, "useLegacySql": False, "timeoutMs": 60_000, **OPTIONS}
        got = self.session.post(self.url, json=body, timeout=90).json()
        if "error" in got:
            raise ValueError(got["error"]["message"].splitlines()[0])
        return got

    def answer(self, probe: str) -> Answer:
        try:
            got = self._post(as_query(probe))
        except ValueError as error:
            return Answer(refusal=str(error))
        fields = got["schema"]["fields"]
        cells = [zip(row["f"], fields, strict=True) for row in got.get("rows", [])]
        rows = [[plain(cell["v"], field) for cell, field in row] for row in cells]
        return answer(probe, [(name_of(field), type_of(field)) for field in fields], rows)

    def answers(self, expressions: list[str]) -> list[Answer]:
        """Answer expressions, several in one query where all of them succeed."""
        if len(expressions) == 1:
            return [self.answer(expressions[0])]
        try:
            columns = ", ".join(f"{expression}\nAS c{i}" for i, expression in enumerate(expressions))
            got = self._post(f"SELECT {columns}")
        except ValueError:
            middle = len(expressions) // 2
            return [*self.answers(expressions[:middle]), *self.answers(expressions[middle:])]
        (row,) = got["rows"]
        fields = got["schema"]["fields"]
        return [
            answer(probe, [("value", type_of(field))], [[plain(cell["v"], field)]])
            for probe, cell, field in zip(expressions, row["f"], fields, strict=True)
        ]


def name_of(field: Any) -> str:
    return "" if re.fullmatch(r"f\d+_", field["name"]) else field["name"]


class Google:
    """Google's own engine, with the tables that probes read."""

    def __init__(self) -> None:
        from lumbung.googlesql.analyzer import Catalogue

        columns, rows = {}, {}
        with Catalogue({}) as catalogue:
            for name, query in table_statements():
                columns[name], made = catalogue.evaluate(query)
                rows[name] = [dict(zip(dict(columns[name]), row, strict=True)) for row in made]
        self.catalogue = Catalogue(columns, rows)

    def answer(self, probe: str) -> Answer:
        from lumbung.googlesql.errors import GoogleSqlError

        try:
            columns, rows = self.catalogue.evaluate(as_query(probe))
        except GoogleSqlError as error:
            return Answer(refusal=str(error).splitlines()[0])
        kinds = [kind for _, kind in columns]
        return answer(
            probe, list(columns), [[comparable(*cell) for cell in zip(row, kinds, strict=True)] for row in rows]
        )


def comparable(value: Any, kind: str) -> Any:
    """Return a value of the engine as `plain` returns the server's.

    Args:
        value: the engine's, as Python has it.
        kind: its type.
    """
    if kind.startswith("ARRAY<"):
        return [comparable(item, kind.removeprefix("ARRAY<").removesuffix(">")) for item in value or []]
    match value:
        case dict():
            return [comparable(item, "") for item in value.values()]
        case float():
            return number(value)
        case bytes():
            return interval(value) if kind == "INTERVAL" else value.hex()
        case str() if kind == "JSON":
            return json.loads(value)
        case Decimal():
            text = format(value, "f")
            return text.rstrip("0").rstrip(".") if "." in text else text
        case datetime.datetime() if value.tzinfo:
            return str((value - EPOCH) // datetime.timedelta(microseconds=1))
        case datetime.date() | datetime.time():
            return value.isoformat()
        case list() if kind.startswith("RANGE<"):
            return f"[{', '.join('UNBOUNDED' if end is None else end.isoformat() for end in value)})"
    return value


def interval(content: bytes) -> str:
    """Return the text of an INTERVAL: microseconds, days, and months with nanoseconds, from the low byte on."""
    micros, days, rest = struct.unpack("<qiI", content)
    months = (rest >> 13 & 0x3FFFF) * (-1 if rest >> 31 else 1)
    seconds, fraction = divmod(abs(micros), 1_000_000)
    time = f"{seconds // 3600}:{seconds // 60 % 60}:{seconds % 60}" + f".{fraction:06d}".rstrip("0").rstrip(".")
    sign = "-" if months < 0 else ""
    return f"{sign}{abs(months) // 12}-{abs(months) % 12} {days} {'-' if micros < 0 else ''}{time}"


def type_of(field: Any) -> str:
    kind = NAMES.get(field["type"], field["type"])
    if kind == "STRUCT":
        members = (f"{re.sub(r'^_field_[0-9]+$', '', member['name'])} {type_of(member)}" for member in field["fields"])
        kind = f"STRUCT<{', '.join(member.strip() for member in members)}>"
    if kind == "RANGE":
        kind = f"RANGE<{field['rangeElementType']['type']}>"
    return f"ARRAY<{kind}>" if field["mode"] == "REPEATED" else kind


def plain(value: Any, field: Any) -> Any:
    """Return a value of the API as one that can be compared."""
    if field["mode"] == "REPEATED":
        return [plain(cell["v"], {**field, "mode": "NULLABLE"}) for cell in value or []]
    if value is None:
        return None
    match NAMES.get(field["type"], field["type"]):
        case "STRUCT":
            return [plain(cell["v"], member) for cell, member in zip(value["f"], field["fields"], strict=True)]
        case "INT64":
            return int(value)
        case "FLOAT64":
            return number(float(value))
        case "BOOL":
            return value == "true"
        case "BYTES":
            return base64.b64decode(value).hex()
        case "JSON":
            return json.loads(value)
    return value


def number(value: float) -> str:
    return f"{value:.15g}"


def compare(local: Local, google: Google, known: set[str]) -> dict[str, tuple[str, Answer, Answer]]:
    """Ask both engines all probes, and return those that they answer differently.

    Args:
        local: the local server.
        google: Google's engine.
        known: probes that are asked alone, since they are known to differ.

    Returns:
        By probe: the kind of the difference, Google's answer and the local one.
    """
    right = {probe: google.answer(probe) for probe in probes()}
    batched = [probe for probe, said in right.items() if not (is_query(probe) or said.refusal or probe in known)]
    answers = {probe: local.answer(probe) for probe in right.keys() - {*batched}}
    for start in range(0, len(batched), BATCH):
        part = batched[start : start + BATCH]
        answers.update(zip(part, local.answers(part), strict=True))
    pairs = {probe: (said, answers[probe]) for probe, said in right.items()}
    return {probe: (kind, *pair) for probe, pair in pairs.items() if (kind := difference(*pair))}


def known_differences() -> dict[str, dict[str, str]]:
    """Return the table of known differences, by probe."""
    entries = yaml.safe_load((FOLDER / "differences.yaml").read_text())
    return {entry["probe"]: entry for entry in entries}


def entry_of(probe: str, kind: str, google: Answer, local: Answer) -> dict[str, str]:
    """Return what the table of known differences says of a difference, beside the reason."""
    return {"probe": probe, "kind": kind, "bigquery": str(google), "local": str(local)}
