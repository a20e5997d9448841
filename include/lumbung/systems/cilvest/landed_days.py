"""What was landed of each day: a document a day, which is written once more when files of that day are landed.

A version names the document of each of its days and says how far it goes in each chain of landings. So the next one is
made of that and of the landings behind it, and a day's rejects are found by reading one document. The landings say
the same without them.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime

from pydantic import Field

from lumbung.core.errors import LumbungError
from lumbung.pipeline import snapshot
from lumbung.storage.lake import Lake
from lumbung.storage.manifest import DataFile, Document, Manifest, newest
from lumbung.stream.landing import Landing, landings_after
from lumbung.systems.cilvest.feed import LANDED

SYSTEM, ENTITY = "cilvest", "tweet"
VERSIONS = f"{snapshot.version_folder(SYSTEM)}/all"
DAYS = f"{LANDED}-days"
_TWEETS, _REJECTS = b"t", b"r"
_CHECKSUM, _ROWS = slice(2, 66), slice(67, None)  # of a line; the rows end at the next tab


class Cleaned(Document):
    """What a day is cleaned from.

    Attributes:
        key: names the cleaned file: 12 hex digits of the files' checksums and the cleaner's version.
        rows: raw tweets of the day itself.
        files: raw files, its own and its neighbours', in a version of an earlier release; None: see `landed`.
    """

    key: str
    rows: int
    files: list[str] | None = None


class TweetVersion(Manifest):
    """All that was landed.

    Attributes:
        landings: names the set of landings and the cleaner's version.
        rows_read: messages that were landed: kept and rejected ones.
        rows_kept: those that are tweets.
        rows_rejected: the others.
        landed_at: when the last of them was landed.
        days: what each Jakarta date is cleaned from.
        cleaner: the cleaner's version; None in a version of an earlier release, as are the next three.
        ends: the offset where the landings end, by topic id and partition.
        landed: where the document of each day that has tweets or rejects lies.
        rejected: when the last rejects of a day were landed.
    """

    system: str
    landings: str
    rows_read: int
    rows_kept: int
    rows_rejected: int
    landed_at: datetime
    days: dict[date, Cleaned]
    cleaner: int | None = None
    ends: dict[str, dict[int, int]] = Field(default_factory=dict)
    landed: dict[date, str] = Field(default_factory=dict)
    rejected: dict[date, datetime] = Field(default_factory=dict)


class LandedDay:
    """What was landed of a day.

    It is kept as lines, which are not decoded: a day may have thousands of files, and a version that adds some writes
    all of them.

    Args:
        lines: of each file, in any order; see `line`.
    """

    def __init__(self, lines: Iterable[bytes] = ()) -> None:
        self.lines = sorted(lines)

    @property
    def tweets(self) -> list[DataFile]:
        """The files of tweets."""
        return self._files(_TWEETS)

    @property
    def rejects(self) -> list[DataFile]:
        """The files of messages that are not tweets."""
        return self._files(_REJECTS)

    @property
    def checksums(self) -> list[bytes]:
        """The checksums of the files of tweets."""
        return [line[_CHECKSUM] for line in self._lines(_TWEETS)]

    @property
    def rows(self) -> int:
        """How many raw tweets there are."""
        return sum([int(line[_ROWS].partition(b"\t")[0]) for line in self._lines(_TWEETS)])

    def _lines(self, kind: bytes) -> list[bytes]:
        """The lines of a kind, which are next to each other."""
        return self.lines[bisect_left(self.lines, kind + b"\t") : bisect_left(self.lines, kind + b"\n")]

    def _files(self, kind: bytes) -> list[DataFile]:
        files = (line.decode().split("\t") for line in self._lines(kind))
        return [
            DataFile(path=path, rows=int(rows), bytes=int(size), sha256=sha256) for _, sha256, rows, size, path in files
        ]


def lines(landing: Landing) -> Iterator[tuple[date, bytes]]:
    """The day and the line of each file of a landing: t(weets) or r(ejects), checksum, rows, bytes, path; by tabs."""
    kinds = [*((_TWEETS, file) for file in landing.files), *([(_REJECTS, landing.rejects)] if landing.rejects else [])]
    for kind, file in kinds:
        yield file.day, kind + f"\t{file.sha256}\t{file.rows}\t{file.bytes}\t{file.path}".encode()


def newest_version(lake: Lake) -> TweetVersion | None:
    """The version with the highest generation."""
    return newest(lake, VERSIONS, TweetVersion, lambda _: True)


def write_day(lake: Lake, day: date, landed: LandedDay) -> str:
    """Write what was landed of a day, under a name that its content gives; where it lies.

    Args:
        lake: the lake.
        day: the day.
        landed: its files.
    """
    content = b"\n".join(landed.lines)
    path = f"{DAYS}/dt={day}/{hashlib.sha256(content).hexdigest()[:16]}.tsv"
    lake.write(path, content)
    return path


def read_day(lake: Lake, landed: Mapping[date, str], day: date) -> LandedDay:
    """What was landed of a day; nothing if the day is not there.

    Args:
        lake: the lake.
        landed: where the documents of days lie.
        day: the day.

    Raises:
        LumbungError: the document is gone.
    """
    if day not in landed:
        return LandedDay()
    content = lake.read(landed[day])
    if content is None:
        raise LumbungError(
            "the list of a day's landed files is gone",
            where=lake.address(landed[day]),
            remedy="run the day again; if it stays, put the file back from a copy of the lake",
        )
    return LandedDay(content.split(b"\n"))


def rejects(lake: Lake, day: date) -> Iterator[DataFile]:
    """The files of a day's messages that are not tweets, also of landings that are in no version yet."""
    version = newest_version(lake)
    if version:
        yield from read_day(lake, version.landed, day).rejects
    for landing in _landings_behind(lake, version):
        if landing.rejects and landing.rejects.day == day:
            yield landing.rejects


def rejected_days(lake: Lake) -> dict[date, datetime]:
    """The days with rejects, also of landings that are in no version yet, and when their last ones were landed."""
    version = newest_version(lake)
    days = dict(version.rejected) if version else {}
    for landing in _landings_behind(lake, version):
        note_rejects(days, landing)
    return days


def note_rejects(days: dict[date, datetime], landing: Landing) -> None:
    """Add the day of a landing's rejects.

    Args:
        days: days with rejects, and when the last of them were landed.
        landing: the landing.
    """
    if landing.rejects:
        day = landing.rejects.day
        days[day] = max(days.get(day, landing.landed_at), landing.landed_at)


def _landings_behind(lake: Lake, version: TweetVersion | None) -> Iterator[Landing]:
    return landings_after(lake, LANDED, version.ends if version else {})
