"""What the analysis of queries found, kept in the data folder: most queries of a run were there the day before.

Without it each start of the server that runs a query would start the engine, which takes half a second and 110 MB.
"""

import functools
import hashlib
import json
import sqlite3
from importlib import metadata
from pathlib import Path
from typing import Any

from local_bigquery.settings import settings

import lumbung.googlesql

KEPT = 5000


class KeptAnalyses:
    """Answers by their question; the caller lets one thread in at a time."""

    def get(self, *question: Any) -> Any:
        """Return the answer to a question, both values that JSON can hold; None where it is not kept."""
        rows = self._run("SELECT answer FROM answers WHERE question = ?", self._key(question))
        return next((json.loads(answer) for (answer,) in rows), None)

    def put(self, answer: Any, *question: Any) -> None:
        """Keep an answer; all earlier ones go once there are too many."""
        self._run("DELETE FROM answers WHERE (SELECT count(*) FROM answers) >= ?", KEPT)
        self._run("INSERT OR REPLACE INTO answers VALUES (?, ?)", self._key(question), json.dumps(answer))

    def _run(self, statement: str, *values: Any) -> list[Any]:
        # A power cut may spoil the file: then a new one is made. It holds nothing that cannot be found again.
        try:
            return self._connection.execute(statement, values).fetchall()
        except sqlite3.DatabaseError:
            if connection := self.__dict__.pop("_connection", None):
                connection.close()
            self._path.unlink(missing_ok=True)
            return []

    def _key(self, question: Any) -> str:
        return hashlib.sha256(json.dumps([self._engine, question]).encode()).hexdigest()

    @functools.cached_property
    def _engine(self) -> str:
        """What the answers depend on beside the question: the engine, and how it is asked."""
        (folder,) = map(Path, lumbung.googlesql.__path__)
        sources = (path.read_bytes() for path in sorted(folder.glob("*.py")))
        return f"{metadata.version('zetasql')} {hashlib.sha256(b''.join(sources)).hexdigest()}"

    @property
    def _path(self) -> Path:
        return Path(settings.data_dir) / "analyses.sqlite"

    @functools.cached_property
    def _connection(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("CREATE TABLE IF NOT EXISTS answers (question TEXT PRIMARY KEY, answer TEXT NOT NULL)")
        return connection
