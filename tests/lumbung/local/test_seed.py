"""The source databases of the embedded PostgreSQL: loaded from the data source folder, kept while its files stay."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from lumbung.core.errors import SourceError
from lumbung.core.settings import Settings
from lumbung.local import services
from lumbung.local.postgres import Postgres
from lumbung.local.seed import seed
from support.source_database import SOURCE, enrollments

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
