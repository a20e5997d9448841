"""The program as a person starts it: commands in processes of their own, each test module with its own home."""

import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import psutil
import pytest

from lumbung.cli.main import app
from lumbung.core import settings
from lumbung.local import services
from support.pipeline import sources, write_sources
from support.prepared_home import Databases

ROOT = Path(__file__).resolve().parents[2]
CAPSTONE = ROOT.parent / "shared" / "reference" / "capstone"


@dataclass
class Home:
    """A LUMBUNG_HOME and the sources it reads; `lines` are what its `lumbung up` has printed."""

    folder: Path
    data: Path
    root: Path = ROOT
    environ: dict[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    def env(self, **more: str) -> dict[str, str]:
        """The environment of a command."""
        plain = {k: v for k, v in os.environ.items() if not k.startswith(("LUMBUNG_", "AIRFLOW", "BIGQUERY_"))}
        own = {"LUMBUNG_HOME": str(self.folder), "LUMBUNG_DATA_SOURCE": str(self.data)}
        return {**plain, **own, "PYTHONPATH": str(self.root / "include"), **self.environ, **more}

    def command(self, *arguments: str) -> list[str]:
        """The command line of `lumbung`."""
        return [sys.executable, "-m", "lumbung", *arguments]

    def call(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, whatever comes of it."""
        return subprocess.run(
            self.command(*arguments), env=self.env(**more), capture_output=True, text=True, timeout=600, check=False
        )

    def run(self, *arguments: str, **more: str) -> str:
        """Run a command that must succeed; its output."""
        done = self.call(*arguments, **more)
        assert done.returncode == 0, f"{arguments}: {done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    def json(self, *arguments: str) -> Any:
        """The JSON a command prints; in this process, which spares its imports, where the home's code is the tests'."""
        if self.root != ROOT:
            return json.loads(self.run(*arguments))
        printed = io.StringIO()
        with mock.patch.dict(os.environ, self.env(), clear=True), contextlib.redirect_stdout(printed):
            app(arguments, standalone_mode=False)
        return json.loads(printed.getvalue())

    def query(self, sql: str) -> list[dict[str, Any]]:
        """The rows of a query."""
        return self.json("query", sql, "--json")

    @contextlib.contextmanager
    def warehouse(self) -> Iterator[None]:
        """Have the warehouse running, so that not each query and command starts it."""
        with contextlib.ExitStack() as stack:
            with mock.patch.dict(os.environ, self.env(), clear=True):
                stack.enter_context(services.warehouse(settings.load()))
            yield

    def running(self) -> list[psutil.Process]:
        """The processes of this home that still run."""
        processes = []
        for process in psutil.process_iter(["cmdline", "environ"]):
            line = " ".join(process.info["cmdline"] or [])
            if str(self.folder) in line or (process.info["environ"] or {}).get("LUMBUNG_HOME") == str(self.folder):
                processes.append(process)
        return processes

    def processes(self) -> list[str]:
        """The command lines of what still runs of this home."""
        return [" ".join(process.info["cmdline"] or [])[:200] for process in self.running()]


@pytest.fixture(scope="module")
def make_home(databases: Databases) -> Iterator[Callable[..., Home]]:
    """Make a home with the smallest sources, or with those of a folder; a `new` one makes its databases itself."""
    # Not under pytest's folder, which it closes to the user that PostgreSQL runs as.
    with tempfile.TemporaryDirectory(prefix="lumbung system ") as folder:
        made = 0

        def make(data: Path | None = None, *, new: bool = False, **options: Any) -> Home:
            nonlocal made
            made += 1
            own = Path(folder) / f"{made}"
            own.mkdir()
            own.chmod(0o755)
            if data is None:
                data = own / "data"
                write_sources(data, sources())
            if not new:
                databases.copy(own / "home")
            return Home(own / "home", data, **options)

        yield make
