"""The source databases of the embedded PostgreSQL: loaded from the data source folder, kept while its files stay."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from lumbung.core.errors import SourceError
from lumbung.core.settings import Settings
from lumbung.local import seed as seeds
from lumbung.local import services
from lumbung.local.postgres import Postgres
from lumbung.local.seed import seed
from support.source_database import SOURCE, enrollments
from support.sources import make_contract

ROWS = "course_id,student_id\nc1,s1\nc1,s1\nc2,\n"


@pytest.fixture
def settings() -> Iterator[Settings]:
    """A home without a warehouse. Not in pytest's folder, which it closes to the server's user."""
    with tempfile.TemporaryDirectory(prefix="lumbung seed ") as folder:
        data = Path(folder, "data")
        data.mkdir()
        (data / "course_enrollment.csv").write_text(ROWS)
        yield Settings.of(home=Path(folder, "home"), data_source=data, emulator_host="http://127.0.0.1:1")


def test_the_seed_is_loaded_again_when_it_changed(settings: Settings) -> None:
    with services.running(settings) as running, psycopg.connect(running.connections[SOURCE]) as connection:
        connection.execute("INSERT INTO course_enrollment VALUES ('mine', 'c9')")
    with services.running(settings) as running:
        assert ("mine", "c9") in enrollments(running.connections[SOURCE])
    (settings.data_source / "course_enrollment.csv").write_text("student_id,course_id\ns7,c7\n")
    with services.running(settings) as running:
        assert enrollments(running.connections[SOURCE]) == [("s7", "c7")]


def test_a_bad_seed_is_refused_and_what_was_loaded_stays(settings: Settings) -> None:
    file = settings.data_source / "course_enrollment.csv"
    postgres = Postgres(settings.home)
    postgres.start()
    try:
        seed(postgres, settings.data_source)
        for content, message in [
            ("student,course\na,b\n", "line 1: the header is student,course"),
            ("", "line 1: the header is missing"),
            ("student_id,course_id\na,b\nc,d,e\n", "line 3"),
            ("student_id,course_id\na,\xff\n", "line 2"),
        ]:
            file.write_bytes(content.encode("latin-1"))
            with pytest.raises(SourceError, match=message) as refused:
                seed(postgres, settings.data_source)
            assert str(file) in str(refused.value)
        file.unlink()
        with pytest.raises(SourceError, match="LUMBUNG_DATA_SOURCE"):
            seed(postgres, settings.data_source)
        assert len(enrollments(postgres.url(SOURCE))) == 3
    finally:
        postgres.stop()


def test_each_connection_has_a_database_with_its_tables_and_their_schemas(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    contracts = {
        "shop": [make_contract("postgres", table="one.member"), make_contract("postgres", query="SELECT 1")],
        "school": [make_contract("postgres", connection="school")],
        "elsewhere": [make_contract("postgres", connection="elsewhere", table="missing")],
        "asked": [make_contract("postgres", connection="asked", query="SELECT 1")],
    }
    monkeypatch.setattr(seeds, "source_tables", lambda: contracts)
    (settings.data_source / "one.member.csv").write_text("id,name,city\n1,a,b\n")
    (settings.data_source / "member.csv").write_text("id,name,city\n2,c,d\n")
    postgres = Postgres(settings.home)
    postgres.start()
    try:
        seed(postgres, settings.data_source, ["shop", "school", "asked"])
        for database, table, key in (("shop", "one.member", "1"), ("school", "member", "2")):
            with psycopg.connect(postgres.url(database)) as connection:
                assert connection.execute(f"SELECT id FROM {table}").fetchall() == [(key,)]
        with psycopg.connect(postgres.url("asked")):
            pass
        with pytest.raises(psycopg.OperationalError, match="does not exist"):
            psycopg.connect(postgres.url("elsewhere"))
    finally:
        postgres.stop()
