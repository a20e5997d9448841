"""Queries over random rows on Google's engine and on the local BigQuery server: both must give the same."""

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from google.api_core.exceptions import GoogleAPICallError
from google.cloud import bigquery

from lumbung.catalog import case as cases
from lumbung.catalog import query as queries
from lumbung.catalog.case import DAY
from lumbung.catalog.contract import Catalog, Contract
from lumbung.googlesql.analyzer import Catalogue, Columns
from lumbung.googlesql.errors import GoogleSqlError, NotJudgedError, UnimplementedError
from lumbung.storage.columns import bigquery_schema

Rows = list[dict[str, Any]]
ROUND = "random_round"
"""The column by which a table on the server keeps the rows of all rounds."""
# Few, so that rows repeat, join and are counted together.
COMMON = ("a", "b", "1", "2")
ODD = (
    *("", " ", "\u00a0", "\t\n", "A", "é", "e\u0301", "İ", "ß", "ǅ", "🦆", "\u200b", "'", '"', "\\", "%", "_"),
    *("true", "2026-11-21", "2026-02-30", "2026-11-21 24:00:00", "1.5", "-0", "1e3", "9223372036854775808", "NULL"),
)
MOST_ROWS = 12
# When a day ends in Jakarta, in UTC, and a microsecond beside it.
MIDNIGHTS = [
    datetime(DAY.year, DAY.month, DAY.day, hour, tzinfo=UTC) + timedelta(days=days, microseconds=off)
    for days in (-1, 0)
    for hour in (0, 17)
    for off in (-1, 0, 1)
]


def columns_of(contract: Contract) -> Columns:
    """The columns as Google's engine takes them."""
    return [(column.name, column.type) for column in contract.columns]


def parameters_of(contract: Contract, value: object = None) -> dict[str, tuple[str, Any]]:
    """The parameter that the table's query gets, with its type and value."""
    name, default = cases.parameter(contract)
    return {name: ("ARRAY<DATE>" if isinstance(default, list) else "DATE", value or default)}


def job_parameters(parameters: Mapping[str, tuple[str, Any]]) -> bigquery.QueryJobConfig:
    """The same parameters for BigQuery's client."""
    made = [
        bigquery.ArrayQueryParameter(name, "DATE", value)
        if kind == "ARRAY<DATE>"
        else bigquery.ScalarQueryParameter(name, "DATE", value)
        for name, (kind, value) in parameters.items()
    ]
    return bigquery.QueryJobConfig(query_parameters=made)


def random_rows(contract: Contract, texts: Sequence[str], choice: random.Random) -> Rows:
    """Rows with nulls, repeated keys, odd texts and instants at midnight; sometimes none.

    Args:
        contract: the table.
        texts: what queries compare its texts with.
        choice: draws them.
    """
    count = choice.choice((0, *range(1, MOST_ROWS)))
    return [{name: _value(kind, texts, choice) for name, kind in columns_of(contract)} for _ in range(count)]


def differences(client: bigquery.Client, catalog: Catalog, rounds: int, seed: int) -> Iterator[str]:
    """Run every query over random rows on both engines; in the first round all tables are empty.

    Args:
        client: of a local server, in whose data set `random_rows` the tables are written.
        catalog: the contracts and queries.
        rounds: how many times.
        seed: the same one draws the same rows.

    Yields:
        For each query and round what differs, or which engine refuses it; nothing where both give the same.
    """
    choice = random.Random(seed)
    made = [contract for contract in catalog.contracts.values() if contract.sql_path.exists()]
    read = sorted({address for contract in made for address in queries.upstreams(contract)})
    texts = re.findall(r"'([^'\\\n]{1,30})'", "".join(contract.sql_path.read_text() for contract in made))
    drawn = [
        {address: random_rows(catalog[address], texts, choice) if number else [] for address in read}
        for number in range(rounds)
    ]
    client.create_dataset("random_rows", exists_ok=True)
    for address in read:
        _load(client, catalog[address], [rows[address] for rows in drawn])
    tables = {address: columns_of(catalog[address]) for address in read}
    for number, rows in enumerate(drawn):
        with Catalogue(tables, rows) as catalogue:
            for contract in made:
                yield _difference(client, catalogue, contract, number)


def in_any_order(rows: Sequence[Sequence[Any]]) -> list[str]:
    """Rows that are the same whatever their order, and the last digits of a FLOAT64, which depend on it."""
    return sorted(repr([float(f"{cell:.12g}") if isinstance(cell, float) else cell for cell in row]) for row in rows)


def _value(kind: str, texts: Sequence[str], choice: random.Random) -> Any:
    if kind == "ARRAY<STRING>":  # BigQuery stores no null arrays, and no null in one
        return [_text(texts, choice) for _ in range(choice.randint(0, 3))]
    if choice.random() < 0.15:
        return None
    return {
        "STRING": lambda: _text(texts, choice),
        "INT64": lambda: choice.choice((0, 1, 1, 2, 3, -1, 10**12)),
        "FLOAT64": lambda: choice.choice((0.0, 0.5, 1.0, -1.25, 1e9)),
        "BOOL": lambda: choice.random() < 0.5,
        "DATE": lambda: DAY - timedelta(days=choice.choice((0, 0, 0, 1, 400))),
        "TIMESTAMP": lambda: choice.choice(MIDNIGHTS),
    }[kind]()


def _text(texts: Sequence[str], choice: random.Random) -> str:
    return choice.choice(choice.choice((COMMON, COMMON, texts, ODD)))


def _load(client: bigquery.Client, contract: Contract, rounds: list[Rows]) -> None:
    """Write the rows of all rounds to one table: a job for each would take most of the time."""
    schema = [*bigquery_schema(contract), bigquery.SchemaField(ROUND, "INT64")]
    rows = [
        {ROUND: number, **{name: str(value) if hasattr(value, "year") else value for name, value in row.items()}}
        for number, rows in enumerate(rounds)
        for row in rows
    ]
    load = bigquery.LoadJobConfig(schema=schema, write_disposition="WRITE_TRUNCATE")
    client.load_table_from_json(rows, _table(contract.address), job_config=load).result()


def _table(address: str) -> str:
    return f"local.random_rows.{address.replace('.', '__')}"


def _difference(client: bigquery.Client, catalogue: Catalogue, contract: Contract, number: int) -> str:
    """What differs between the engines for a query's rows of a round, or which refuses it; empty: nothing."""
    parameters = parameters_of(contract)
    google: Any = None
    local: Any = None
    try:
        columns, rows = catalogue.evaluate(queries.render(contract, lambda address: address), parameters)
        google = [name for name, _ in columns], in_any_order(rows)
    except (UnimplementedError, NotJudgedError):
        return ""  # only BigQuery can evaluate it
    except GoogleSqlError as refusal:
        google = refusal
    # The server's tables hold the rows of all rounds.
    sql = queries.render(contract, _table)
    for address in queries.upstreams(contract):
        quoted = f"`{_table(address)}`"
        sql = sql.replace(quoted, f"(SELECT * EXCEPT ({ROUND}) FROM {quoted} WHERE {ROUND} = {number})")
    try:
        result = client.query_and_wait(sql, job_config=job_parameters(parameters))
        local = [field.name for field in result.schema], in_any_order([row.values() for row in result])
    except GoogleAPICallError as refusal:
        local = refusal
    return "" if google == local else f"{contract.address}, round {number}: Google {google}, local {local}"
