"""A real Airflow for tests: API server, scheduler and DAG processor over an embedded PostgreSQL, in a folder."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import httpx

from lumbung.local.postgres import METADATA, Postgres
from support.prepared_home import Databases

ROOT = Path(__file__).resolve().parents[2]
ANSWER_SECONDS = 120  # a bound for what hangs: nothing is as slow on a busy machine
AIRFLOW = Path(sys.executable).with_name("airflow")
COMPONENTS = {
    "api-server": ["api-server", "--workers", "1"],
    "scheduler": ["scheduler", "--skip-serve-logs"],
    "dag-processor": ["dag-processor"],
}


class AirflowStack:
    """Airflow with the DAG files of one folder and the project's plugins; everybody has the same password."""

    def __init__(
        self,
        home: Path,
        dags: Path,
        databases: Databases,
        environ: dict[str, str] | None = None,
        users: Mapping[str, str] = MappingProxyType({"admin": "admin"}),
    ) -> None:
        """An Airflow that is not started.

        Args:
            home: its folder.
            dags: the folder of its DAG files.
            databases: Airflow's database, of which it takes a copy.
            environ: more environment variables.
            users: the role of each user; of one without permissions it is empty.
        """
        self.home = home
        self.url = f"http://127.0.0.1:{_free_port()}"
        self.password = secrets.token_urlsafe(16)
        self.users = users
        self._dags = dags
        self._databases = databases
        self._extra = environ or {}
        self._processes: dict[str, subprocess.Popen] = {}
        # Not under pytest's folder: root's server runs as another user, and every pytest closes that folder to others.
        self._folder = tempfile.TemporaryDirectory(prefix="lumbung-postgres-")
        self._postgres = Postgres(Path(self._folder.name, "home"))
        self._client = None

    def start(self, timeout: float = 300) -> None:
        """Start all components and wait until the API server answers and every DAG file is read."""
        self.home.mkdir(parents=True, exist_ok=True)
        self._databases.copy(self._postgres.home)
        self._postgres.start()
        passwords = self.home / "passwords.json"
        passwords.write_text(json.dumps(dict.fromkeys(self.users, self.password)))
        port = self.url.rsplit(":", 1)[1]
        self.environ = {
            **os.environ,
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self._dags),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__FERNET_KEY": urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{name}:{role}" for name, role in self.users.items()),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": self._postgres.url(METADATA, "+psycopg2"),
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": port,
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__SECRET_KEY": secrets.token_hex(32),
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(64),
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(self.home / "logs"),
            "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
            # The files do not change, and to read them all again each half minute takes CPU from other tests.
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "3600",
            **self._extra,
        }
        for name, arguments in COMPONENTS.items():
            with (self.home / f"{name}.log").open("wb") as log:
                self._processes[name] = subprocess.Popen(
                    [AIRFLOW, *arguments],
                    env=self.environ,
                    stdout=log,
                    stderr=log,
                    cwd=self.home,
                    start_new_session=True,
                )
        self._await_ready(time.monotonic() + timeout)

    def stop(self) -> None:
        """Stop all components, and wait until they are gone."""
        if self._client:
            self._client.close()
        for process in self._processes.values():
            process.send_signal(signal.SIGINT)
        for process in self._processes.values():
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self._postgres.stop()
        self._folder.cleanup()

    def run(self, *arguments: str, check: bool = True, **environ: str) -> subprocess.CompletedProcess:
        """Run an `airflow` command against this Airflow, with further environment variables."""
        environ = self.environ | environ
        command = [AIRFLOW, *arguments]
        done = subprocess.run(command, env=environ, cwd=self.home, capture_output=True, text=True, timeout=120)
        if check and done.returncode:
            raise AssertionError(f"airflow {' '.join(arguments)}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def token(self, user: str = "admin") -> str:
        """A fresh token for the REST API."""
        login = {"username": user, "password": self.password}
        answer = httpx.post(f"{self.url}/auth/token", json=login, timeout=ANSWER_SECONDS)
        return answer.raise_for_status().json()["access_token"]

    def api(self, method: str, path: str, **arguments) -> httpx.Response:
        """Call the REST API; `path` starts after `/api/v2`."""
        if self._client is None:
            self._client = httpx.Client(headers={"Authorization": f"Bearer {self.token()}"}, timeout=ANSWER_SECONDS)
        return self._client.request(method, f"{self.url}/api/v2{path}", **arguments)

    def _await_ready(self, deadline: float) -> None:
        files = len(list(self._dags.glob("*.py")))
        while True:
            for name, process in self._processes.items():
                if process.poll() is not None:
                    raise AssertionError(f"{name} ended:\n{(self.home / f'{name}.log').read_text()[-5000:]}")
            try:
                if self.api("GET", "/dags").raise_for_status().json()["total_entries"] >= files:
                    return
            except httpx.TransportError as error:
                last = error
            else:
                last = self.api("GET", "/importErrors").json()
            if time.monotonic() > deadline:
                raise AssertionError(f"Airflow is not ready: {last}; its logs are under {self.home}")
            time.sleep(0.3)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
