"""When a table was made and last changed, as BigQuery says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self


@dataclass(frozen=True)
class Stamp:
    """When a table was made, and when anybody last wrote to it or described it."""

    created: datetime
    modified: datetime

    @classmethod
    def of(cls, table: Any) -> Self:
        """Those of a table as the client gives it."""
        return cls(created=table.created, modified=table.modified)
