"""The tables of the embedded PostgreSQL's source databases, loaded from CSV files in the data source folder.

The contracts say which: each with a source of kind `postgres` and a table has it in the database `source.connection`,
loaded from `<table>.csv`. A query reads tables that others bring.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from lumbung.catalog.contract import Catalog, Contract
from lumbung.core.errors import SourceError
from lumbung.core.settings import variable
from lumbung.local.postgres import Postgres

BLOCK_BYTES = 1 << 20


def source_tables() -> dict[str, list[Contract]]:
    """The contracts of all sources in PostgreSQL, by the name of their Airflow connection."""
    tables: dict[str, list[Contract]] = {}
    for contract in Catalog().contracts.values():
        if contract.source and contract.source.kind == "postgres":
            tables.setdefault(str(contract.source.connection), []).append(contract)
    return tables


def seed_file(contract: Contract, folder: Path) -> Path:
    """The CSV file in the data source folder that a source's table is loaded from."""
    return folder / f"{_table(contract)}.csv"


def seed(postgres: Postgres, folder: Path, databases: Collection[str] | None = None) -> None:
    """Load source databases, when the contents of their files are not what was loaded last.

    The tables have no constraints: repeats and nulls in a file must reach the pipeline, which rejects them.

    Args:
        postgres: the running server; databases that it lacks are created.
        folder: the data source folder.
        databases: those that are not elsewhere; None: all.

    Raises:
        SourceError: a file is missing or cannot be loaded; what was loaded before stays.
    """
    for database, contracts in source_tables().items():
        if databases is None or database in databases:
            _seed(postgres, database, [contract for contract in contracts if _table(contract)], folder)


def _seed(postgres: Postgres, database: str, tables: Sequence[Contract], folder: Path) -> None:
    files = {seed_file(contract, folder): contract for contract in tables}
    for file in files:
        if not file.is_file():
            raise SourceError(
                "no seed for the embedded PostgreSQL",
                where=str(file),
                remedy=f"put {file.name} there, or point {variable('data_source')} at the folder that has it",
            )
    digest = _digest(files)
    headers = {file: _header(file, contract) for file, contract in files.items()}
    postgres.create_database(database)
    # One transaction: a bad file leaves all that was loaded before, with its digest. The digest lies in the database
    # and not beside it, so that it cannot outlive or precede what it stands for.
    with postgres.connect(database) as connection:
        for contract in tables:
            if schema := _table(contract).rpartition(".")[0]:
                connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(schema)))
            connection.execute(_create_table(contract))
        connection.execute("CREATE TABLE IF NOT EXISTS lumbung_seed (sha256 text NOT NULL)")
        if connection.execute("SELECT 1 FROM lumbung_seed WHERE sha256 = %s", [digest]).fetchone():
            return
        for file, contract in files.items():
            _load(connection, file, contract, headers[file])
        connection.execute("TRUNCATE lumbung_seed")
        connection.execute("INSERT INTO lumbung_seed VALUES (%s)", [digest])


def _digest(files: Iterable[Path]) -> str:
    """The SHA-256 of the files' contents, one after the other."""
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as opened:
            hashlib.file_digest(opened, lambda: digest)
    return digest.hexdigest()


def _header(file: Path, contract: Contract) -> list[str]:
    expected = [column.name for column in contract.business_columns]
    with file.open(encoding="utf-8-sig", newline="", errors="replace") as opened:
        header = [name.strip() for name in next(csv.reader(opened), [])]
    if sorted(header) != sorted(expected):
        raise SourceError(
            f"the header is {','.join(header) or 'missing'}",
            where=f"{file}, line 1",
            remedy=f"it must be {','.join(expected)}",
        )
    return header


def _create_table(contract: Contract) -> sql.Composed:
    columns = [sql.SQL("{} text").format(sql.Identifier(column.name)) for column in contract.business_columns]
    table = sql.Identifier(*_table(contract).split("."))
    return sql.SQL("CREATE TABLE IF NOT EXISTS {} ({})").format(table, sql.SQL(", ").join(columns))


def _load(connection: psycopg.Connection[Any], file: Path, contract: Contract, header: list[str]) -> None:
    table, columns = sql.Identifier(*_table(contract).split(".")), sql.SQL(", ").join(map(sql.Identifier, header))
    connection.execute(sql.SQL("TRUNCATE {}").format(table))
    copy = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv, HEADER true)").format(table, columns)
    try:
        with file.open("rb") as opened, connection.cursor().copy(copy) as stream:
            while block := opened.read(BLOCK_BYTES):
                stream.write(block)
    except psycopg.Error as error:
        message = error.diag.message_primary or f"{error}"
        place = (error.diag.context or "").partition(", ")[2]
        raise SourceError(
            f"{message} ({place})" if place else message,
            where=str(file),
            remedy="fix the file; what was loaded before stays",
        ) from error


def _table(contract: Contract) -> str:
    return (contract.source and contract.source.table) or ""
