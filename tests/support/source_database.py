"""A source database for tests, as `lumbung up` starts it."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg

from lumbung.local.postgres import Postgres

SOURCE = "pinter_skuy"
"""The database of pinter-skuy's enrollments."""


def enrollments(dsn: str) -> list[tuple[str | None, str | None]]:
    """Student and course of each enrollment in a source database."""
    with psycopg.connect(dsn) as connection:
        return connection.execute("SELECT student_id, course_id FROM course_enrollment ORDER BY 2, 1").fetchall()


@contextlib.contextmanager
def running() -> Iterator[Postgres]:
    """A running PostgreSQL with an empty database `SOURCE`."""
    # Not under pytest's folder, which it closes to the server's user.
    with tempfile.TemporaryDirectory(prefix="lumbung-source-") as home:
        Path(home).chmod(0o755)
        server = Postgres(Path(home))
        server.start()
        server.create_database(SOURCE)
        yield server
        server.stop()
