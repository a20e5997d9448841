"""What the X API costs: prices, and a journal of what was spent."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from typing import Any

from lumbung.core import day as business_day
from lumbung.core.errors import LumbungError
from lumbung.core.settings import Settings
from lumbung.stream.items import sync

# Thousandths of a US dollar: https://docs.x.com/x-api/getting-started/pricing, read in November 2026.
POST_MILLS, USER_MILLS, COUNT_MILLS = 5, 10, 5


class CapReachedError(LumbungError):
    """The next request could cost more than the cap leaves."""


class Journal:
    """What requests cost in one calendar month of Jakarta: a line before each is sent, and one after.

    A request whose answer never came keeps its worst cost.
    """

    def __init__(self, settings: Settings, at: datetime) -> None:
        self.month = f"{business_day.today(at):%Y-%m}"
        self.path = settings.spool / "x" / f"journal-{self.month}.jsonl"

    def spent(self) -> int:
        """Thousandths of a US dollar.

        Raises:
            LumbungError: a line of the journal is broken.
        """
        return sum(self._mills(number, line) for number, line in enumerate(self._whole().splitlines(), 1))

    def _whole(self) -> bytes:
        """The lines without one that was cut off: its request was not sent, or keeps its worst cost."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return b""
        return content[: content.rfind(b"\n") + 1]

    def _mills(self, number: int, line: bytes) -> int:
        try:
            return int(json.loads(line)["mills"])
        except (ValueError, KeyError, TypeError) as error:
            raise LumbungError(
                "the journal of what X cost is broken",
                where=f"{self.path}, line {number}",
                remedy='fix the line; its "mills" are thousandths of a US dollar',
            ) from error

    def write(self, request: str, what: str, mills: int, **details: object) -> None:
        """Put a line on disk.

        Args:
            request: an id that a request's lines share.
            what: the endpoint's path.
            mills: to add to what was spent.
            details: what else is known.
        """
        at = datetime.now(UTC).isoformat(timespec="seconds")
        line = json.dumps({"request": request, "at": at, "what": what, "mills": mills, **details}) + "\n"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        whole = len(self._whole())
        with self.path.open("ab") as file:
            file.truncate(whole)
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())
        sync(self.path.parent)


def page_cost(body: dict[str, Any]) -> dict[str, int]:
    """What a page of the search cost in thousandths of a US dollar (`mills`), and for how many `posts` and `users`."""
    includes = body.get("includes")
    users = includes.get("users") if isinstance(includes, dict) else None
    posts, authors = len(body.get("data", [])), len(users) if isinstance(users, list) else 0
    return {"mills": posts * POST_MILLS + authors * USER_MILLS, "posts": posts, "users": authors}
