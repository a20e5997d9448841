"""The sources: files and the source database."""

from __future__ import annotations

import os
from collections.abc import Iterator
from urllib.parse import urlsplit

from lumbung.catalog.contract import Catalog, Contract, Source
from lumbung.cli.doctor.common import CONNECT_SECONDS
from lumbung.core.errors import LumbungError
from lumbung.core.settings import Settings, variable
from lumbung.local.postgres import Postgres
from lumbung.serving.schema import Finding
from lumbung.sources import read
from lumbung.sources.files import opened


def files(settings: Settings) -> Iterator[Finding]:
    """Each source file: whether it is there and can be read."""
    for contract in Catalog().contracts.values():
        if contract.source is None or contract.source.path is None:
            continue
        name = f"source {contract.source.path}"
        try:
            next(read(contract, data_source=settings.data_source, dsn=None), None)  # as the pipeline does
            with opened(contract, settings.data_source) as (path, _):
                yield Finding(name, True, f"{path} ({path.stat().st_size:,} bytes)")
        except LumbungError as error:
            yield Finding(name, False, f"{error.where}: {error.what}", error.remedy)


def database(settings: Settings) -> Iterator[Finding]:
    """Each source table: whether it can be read and has rows; or what the embedded PostgreSQL needs."""
    if settings.source_dsn is None:
        yield from _embedded_database(settings)
        return
    dsn = settings.source_dsn.get_secret_value()
    if "connect_timeout" not in dsn:
        dsn += f"{'&' if urlsplit(dsn).query else '?'}connect_timeout={CONNECT_SECONDS}"
    address = urlsplit(dsn)
    place = f"{address.hostname or 'local socket'}{address.path}"
    for contract, source in _tables():
        name = f"source {source.label}"
        try:
            # As the pipeline does, but only the first of the batches that it streams.
            batch = next(read(contract, data_source=settings.data_source, dsn=dsn), None)
        except LumbungError as error:
            remedy = error.remedy.replace("the connection", variable("source_dsn"))
            yield Finding(name, False, f"{place}: {error.what}", remedy)
            continue
        columns = ", ".join(column.name for column in contract.business_columns)
        found = f"{place}: {source.table}({columns}) can be read"
        has_rows = batch is not None or source.min_rows == 0
        yield Finding(name, has_rows, found if has_rows else f"{place}: {source.table} is empty", "fill it")


def _embedded_database(settings: Settings) -> Iterator[Finding]:
    programs = Postgres(settings.home).programs
    missing = [name for name in ("initdb", "pg_ctl", "postgres") if not (programs / name).exists()]
    found = f"{', '.join(missing)} missing in {programs}" if missing else f"PostgreSQL in {programs}"
    yield Finding("embedded PostgreSQL", not missing, found, "run make install")
    for _, source in _tables():
        seed = settings.data_source / f"{source.table}.csv"
        readable = os.access(seed, os.R_OK) and seed.is_file()
        yield Finding(
            "seed of PostgreSQL",
            readable,
            f"{seed}{'' if readable else ' is missing or cannot be read'}",
            f"put it there, or set {variable('source_dsn')} to use another PostgreSQL",
        )


def _tables() -> Iterator[tuple[Contract, Source]]:
    """The contracts whose rows come from a table of the source database."""
    for contract in Catalog().contracts.values():
        if contract.source and contract.source.kind == "postgres":
            yield contract, contract.source
