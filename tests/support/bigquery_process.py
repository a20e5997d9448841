"""Programs in the local BigQuery server's environment."""

import os
import subprocess
from pathlib import Path

from lumbung.local.bigquery import PYTHON, PYTHONPATH

# What the server does when it starts, before it serves.
START = """
import sys
from pathlib import Path
from bigquery import server
from local_bigquery.engine import database
server.settings.data_dir, server.settings.default_project_id = Path(sys.argv[1]), "local"
server.link_extensions(Path(sys.argv[1]) / "home")
server.patch()
database.connection()
"""
COMMAND = [str(PYTHON), "-P", "-m", "bigquery.server"]


def environ() -> dict[str, str]:
    """Return the current environment variables, with the folders of what the server imports as PYTHONPATH."""
    return {**os.environ, "PYTHONPATH": PYTHONPATH}


def start_and_wait(*options: str | Path) -> subprocess.CompletedProcess[str]:
    """Start the server where it cannot start, and return how it ended."""
    return subprocess.run([*COMMAND, *options], env=environ(), capture_output=True, text=True, timeout=60)


def run_inside(script: str, folder: Path) -> str:
    """Run a script in a process that is set up as the server's, and return what it prints.

    Args:
        script: Python; `sys`, `Path`, `server` and `database` are imported.
        folder: the server's data folder.
    """
    command = [PYTHON, "-P", "-c", START + script, folder]
    done = subprocess.run(command, env=environ(), check=True, timeout=300, stdout=subprocess.PIPE, text=True)
    return done.stdout
