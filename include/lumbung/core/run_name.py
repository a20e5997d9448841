"""The name of a run in tables and paths."""

import hashlib


def short(run_id: str) -> str:
    """A short name for a run id, safe in table names and paths."""
    return hashlib.sha256(run_id.encode()).hexdigest()[:12]
