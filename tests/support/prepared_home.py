"""The databases of a home, made once and copied: to initialize and to migrate them takes five seconds of CPU."""

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from lumbung.core.settings import Settings
from lumbung.local import processes
from lumbung.local.airflow_database import migrate
from lumbung.local.airflow_environment import environment
from lumbung.local.postgres import METADATA, Postgres
from lumbung.local.services import Services

STAMP = Path("airflow", "migrated.json")


class Databases:
    """The embedded PostgreSQL of a home that has never run, with Airflow's tables.

    Args:
        home: the folder that holds it.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        server = Postgres(home)
        server.start()
        try:
            settings = Settings.of(home=home, emulator_host="http://127.0.0.1:1")
            services = Services({}, settings.emulator_host, server.url(METADATA, "+psycopg2"))
            migrate(environment(settings, services), home)
        finally:
            server.stop()

    def copy(self, home: Path) -> None:
        """Make them those of another home, which has none yet. Its keys and passwords of Airflow are its own."""
        (home / STAMP.parent).mkdir(parents=True)
        subprocess.run(["cp", "-a", self.home / "postgres", home], check=True)
        subprocess.run(["cp", "-a", self.home / STAMP, home / STAMP], check=True)
        # Of two copies that start at the same time, both would find one port free.
        access_file = Postgres(home).access_file
        processes.write_json(access_file, {**processes.read_json(access_file), "port": processes.free_port()})


@contextlib.contextmanager
def databases() -> Iterator[Databases]:
    """Databases in a folder of their own."""
    # Not under pytest's folder, which it closes to the user that PostgreSQL runs as.
    with tempfile.TemporaryDirectory(prefix="lumbung databases ") as folder:
        yield Databases(Path(folder, "home"))
