"""The local BigQuery server: started in its own environment, found again by its pid file, stopped."""

from __future__ import annotations

import os
from pathlib import Path

import requests

from lumbung.core.errors import LumbungError
from lumbung.core.settings import LOCAL_PROJECT, ROOT
from lumbung.local import processes
from lumbung.local.server import Server

PYTHON = ROOT / ".venv-bigquery" / "bin" / "python"
SERVICES = ROOT / "services"
SERVER = SERVICES / "bigquery" / "server.py"
PYTHONPATH = os.pathsep.join([str(SERVICES), str(ROOT / "include")])


class BigQuery(Server):
    """The local BigQuery server of one home folder.

    Args:
        home: the folder of all local state; the tables lie in `bigquery` under it.
    """

    name = "the local BigQuery server"
    start_remedy = "do what its last line says, or run make install; then run the command again"
    stop_seconds = 1.0  # it keeps its data through a kill

    def __init__(self, home: Path) -> None:
        super().__init__(home, "bigquery")

    @property
    def address(self) -> str:
        """What BIGQUERY_EMULATOR_HOST is set to."""
        return f"http://127.0.0.1:{processes.read_json(self.pid_file)['port']}"

    def launch(self) -> None:
        """Start the server unless it runs; it may not answer yet.

        Raises:
            LumbungError: it is not installed.
        """
        if self.process():
            return
        if not PYTHON.exists():
            raise LumbungError(
                "the local BigQuery server is not installed", where=str(PYTHON), remedy="run make install"
            )
        self.data.mkdir(parents=True, exist_ok=True)
        port = processes.free_port(processes.read_json(self.pid_file).get("port", 0))
        place = ["--host", "127.0.0.1", "--port", str(port), "--data-dir", str(self.data), "--project", LOCAL_PROJECT]
        # Nothing but `bigquery`, and `lumbung` for `lumbung.googlesql`, is added to the server's own environment: -P
        # leaves the working directory out, and this PYTHONPATH replaces the caller's, so nothing hides a dependency.
        env = {**os.environ, "PYTHONPATH": PYTHONPATH}
        self._launched = True
        server = processes.start([str(PYTHON), "-P", "-m", "bigquery.server", *place], env=env, log=self.log)
        processes.write_json(self.pid_file, {"port": port, **processes.Process.of(server.pid).to_dict()})

    def _answers(self) -> bool:
        try:
            with requests.Session() as session:
                session.trust_env = False  # a proxy cannot reach it
                return session.get(f"{self.address}/bigquery/v2/projects/{LOCAL_PROJECT}/datasets", timeout=5).ok
        except requests.RequestException:
            return False
