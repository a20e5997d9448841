"""Ways to cut the stream into batches."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, Self, get_args

import numpy as np
import numpy.typing as npt

from lumbung.core import day as business_day
from lumbung.core.errors import LumbungError

Kind = Literal["count", "window", "event"]

_UNITS = {"h": 3600, "m": 60, "s": 1}
_MAX_SECONDS = 366 * 24 * 3600
# Windows begin at multiples of their length since the start of the 1st of January 1970 in Jakarta.
_JAKARTA_US = 7 * 3600 * 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class By:
    """How the stream is cut: by a number of rows, or into windows of the append time or of the events' own time.

    Attributes:
        kind: `count`, `window` (append time) or `event`.
        size: rows of a batch; seconds of a window.
    """

    kind: Kind
    size: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `count:5000`, `window:5m` or `event:5m`; units are s, m and h.

        Raises:
            LumbungError: it is none of these.
        """
        kind, _, size = text.partition(":")
        if kind == "count" and re.fullmatch(r"[1-9]\d{0,11}", size):
            return cls("count", int(size))
        if kind in get_args(Kind) and kind != "count" and (match := re.fullmatch(r"([1-9]\d{0,7})([smh])", size)):
            seconds = int(match[1]) * _UNITS[match[2]]
            if seconds <= _MAX_SECONDS:
                return cls(kind, seconds)  # type: ignore[arg-type]
        raise LumbungError(
            f"{text!r} is no way to cut the stream",
            where="--by",
            remedy="write count:5000 (rows), window:5m (append time) or event:5m (the events' own time); units are"
            " s, m and h, and a window has at most 366 days",
        )

    def __str__(self) -> str:
        if self.kind == "count":
            return f"count:{self.size}"
        unit = next(unit for unit, seconds in _UNITS.items() if self.size % seconds == 0)
        return f"{self.kind}:{self.size // _UNITS[unit]}{unit}"

    @property
    def folder(self) -> str:
        """The name of its folder."""
        return str(self).replace(":", "-")

    def index(self, at: datetime) -> int:
        """Which window holds a time, counted from 1970."""
        return int(self.indices(np.array((at - _EPOCH) // timedelta(microseconds=1), np.int64)))

    def indices(self, times: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Which windows hold times, microseconds since 1970 in UTC."""
        indices: npt.NDArray[np.int64] = (times + _JAKARTA_US) // (self.size * 1_000_000)
        return indices

    def start(self, index: int) -> datetime:
        """When a window starts, in UTC."""
        return _EPOCH + timedelta(microseconds=index * self.size * 1_000_000 - _JAKARTA_US)

    def end(self, index: int) -> datetime:
        """When a window has ended, in UTC."""
        return self.start(index + 1)

    def number(self, index: int) -> int:
        """The number of a window's batch: its start in Jakarta as YYYYMMDDhhmmss."""
        return int(f"{self.start(index).astimezone(business_day.JAKARTA):%Y%m%d%H%M%S}")
