"""How many threads DuckDB computes with: one while all tables are small, then as many as there are processors.

With several, each step of each query is given to another thread, which must be woken, and waited for: on a small table,
and on DuckLake's own, that takes more than the step. On a busy machine the waiting is a loop that takes CPU.
"""

from local_bigquery.engine import database
from local_bigquery.engine.database import quote

from bigquery import originals

# DuckDB gives a thread that many rows at once, so a smaller file is read by one alone.
ROWS_AT_ONCE = 122_880


class Threads:
    """The number of DuckDB's threads; it only grows."""

    def __init__(self) -> None:
        self._are_all = True

    def start(self) -> None:
        """Compute with one thread, unless a table is large."""
        originals.execute("SET threads = 1")
        self._are_all = False
        self.fit()

    def fit(self) -> None:
        """Compute with all threads if a table has become large."""
        if not self._are_all and any(has_large_file(project) for project in database.projects()):
            self.use_all()

    def use_all(self) -> None:
        """Compute with all threads from now on."""
        # Without a lock, as two threads may do it. With one, a load that reads the lake would wait for a thread that
        # waits, behind a writer, to read the lake itself: all three for ever.
        if not self._are_all:
            originals.execute("RESET threads")
            self._are_all = True


def has_large_file(project: str) -> bool:
    """Return whether a table of a project has a file that several threads can read at a time."""
    found = database.fetch(
        f"SELECT 1 FROM {quote(f'__ducklake_metadata_{project}')}.ducklake_data_file"
        " WHERE record_count > $1 AND end_snapshot IS NULL LIMIT 1",
        [ROWS_AT_ONCE],
    )
    return bool(found)


THREADS = Threads()
