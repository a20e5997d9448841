"""The sources: files and the source database."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from psycopg import conninfo

from lumbung.catalog.contract import Catalog, Contract, Source
from lumbung.cli.doctor.common import CONNECT_SECONDS
from lumbung.core.errors import LumbungError
from lumbung.core.settings import Settings
from lumbung.core.settings import variable as setting
from lumbung.local.postgres import Postgres
from lumbung.serving.schema import Finding
from lumbung.sources import is_absent, read
from lumbung.sources.address import configured, parameters, variable
from lumbung.systems.registry import system


def files(settings: Settings) -> Iterator[Finding]:
    """Each source file: whether it is there and its first rows can be read, as the pipeline does."""
    for contract in Catalog().contracts.values():
        if contract.source is None or contract.source.path is None:
            continue
        folder = system(contract.system).usual_folder(settings)
        name, path = f"source {contract.source.label}", folder / contract.source.path
        if is_absent(contract, folder):
            yield Finding(name, True, f"{path} is missing, which its contract allows")
            continue
        try:
            next(read(contract, data_source=folder, dsn=None), None)  # as the pipeline does
            yield Finding(name, True, f"{path} ({path.stat().st_size:,} bytes)")
        except LumbungError as error:
            yield Finding(name, False, f"{error.where}: {error.what}", error.remedy)


def database(settings: Settings) -> Iterator[Finding]:
    """Each source in PostgreSQL: whether it can be read and has rows; or what the embedded PostgreSQL needs."""
    embedded = []
    for contract, source in _tables():
        if place := configured(str(source.connection), settings):
            yield _source(contract, source, *place, settings)
        else:
            embedded.append(source)
    if not settings.source_dsn:
        yield from _embedded_database(settings, embedded)


def _source(contract: Contract, source: Source, variable: str, address: str, settings: Settings) -> Finding:
    name = f"source {source.label}"
    place = ""
    try:
        given = {"connect_timeout": f"{CONNECT_SECONDS}", **parameters(source.connection, address)}
        place = f"{given.get('host') or given.get('hostaddr') or 'local socket'}/{given.get('dbname', '')}: "
        # As the pipeline does, but only until there are rows in the batches that it streams.
        batches = read(contract, data_source=settings.data_source, dsn=conninfo.make_conninfo(**given))
        has_rows = any(batch.rows.num_rows or batch.rejects for batch in batches)
    except LumbungError as error:
        return Finding(name, False, f"{place}{error.what}", error.remedy.replace("the connection", variable))
    columns = ", ".join(column.name for column in contract.business_columns)
    what = source.table or "query"
    if has_rows or source.min_rows == 0:
        return Finding(name, True, f"{place}{what}({columns}) can be read")
    return Finding(name, False, f"{place}{what} is empty", "fill it")


def _embedded_database(settings: Settings, sources: Iterable[Source]) -> Iterator[Finding]:
    programs = Postgres(settings.home).programs
    missing = [name for name in ("initdb", "pg_ctl", "postgres") if not (programs / name).exists()]
    found = f"{', '.join(missing)} missing in {programs}" if missing else f"PostgreSQL in {programs}"
    yield Finding("embedded PostgreSQL", not missing, found, "run make install")
    for source in sources:
        if source.table is None:
            continue
        seed = settings.data_source / f"{source.table}.csv"
        settable = f"{setting('source_dsn')} or {variable(str(source.connection))}"
        readable = os.access(seed, os.R_OK) and seed.is_file()
        yield Finding(
            "seed of PostgreSQL",
            readable,
            f"{seed}{'' if readable else ' is missing or cannot be read'}",
            f"put it there, or set {settable} to use another PostgreSQL",
        )


def _tables() -> Iterator[tuple[Contract, Source]]:
    """The contracts whose rows come from PostgreSQL."""
    for contract in Catalog().contracts.values():
        if contract.source and contract.source.kind == "postgres":
            yield contract, contract.source
