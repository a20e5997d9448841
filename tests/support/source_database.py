"""A source database for tests, as `lumbung up` starts it."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from lumbung.local.postgres import Postgres


@contextlib.contextmanager
def running() -> Iterator[Postgres]:
    """A running PostgreSQL, empty at first."""
    # Not under pytest's folder, which it closes to the server's user.
    with tempfile.TemporaryDirectory(prefix="lumbung-source-") as home:
        Path(home).chmod(0o755)
        server = Postgres(Path(home))
        server.start()
        yield server
        server.stop()
