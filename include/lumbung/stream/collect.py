"""Tweets from a source into spool files, so that a kill anywhere loses nothing.

A file is written under a temporary name and gets its own when it is whole and on disk; what a source knows of its
progress is saved after that. A killed collector may therefore bring a tweet twice, which is dropped later by its id.
A file is named by its content, so a tweet collected again from the same bytes makes the same file.

What is not a tweet is spooled too, as a refused line, to be counted and kept as a reject where the tweets end up. It
has spool files of its own, one or more for each file of the source: one file's rejects stay the same, whatever is
collected with it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
import uuid
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import BinaryIO

from lumbung.core import day as business_day
from lumbung.core.errors import LumbungError
from lumbung.core.settings import TWEET_SOURCES, Settings
from lumbung.stream import envelope
from lumbung.stream.items import Checkpoint, Refused, Source, sync

INCOMING, FINISHED, ERROR = "incoming", "finished", "error"
MAX_LINES = 10_000
MAX_FILE_BYTES = 16 * 2**20
# What Kafka takes by default (message.max.bytes), with room for its own header.
MAX_TWEET_BYTES = 1_000_000
ABANDONED_SECONDS = 3600


@dataclass(frozen=True)
class Summary:
    """What one collection did.

    Attributes:
        source: the source's name.
        files: the spool files of tweets.
        tweets: envelopes in them.
        refused: lines that are not tweets; spooled too, and in `error_files` as they came, with reasons.
        error_files: files under `error`.
        requests: requests sent.
        usd: what they cost at most, in US dollars.
        notes: what a person should know.
    """

    source: str
    files: list[Path]
    tweets: int
    refused: int
    error_files: list[Path]
    requests: int
    usd: float
    notes: list[str]


def open_source(
    settings: Settings, name: str, *, day: date | None = None, path: Path | None = None, seed: int = 1
) -> Source:
    """A source by its name.

    Args:
        settings: the process's settings.
        name: one of `TWEET_SOURCES`.
        day: the Jakarta day of synthetic tweets; None: today. Other sources give what they have.
        path: the archive's folder or file.
        seed: of synthetic tweets.

    Raises:
        LumbungError: there is no such source, or it lacks something.
    """
    if name == "synthetic":
        from lumbung.stream.synthetic import Synthetic

        return Synthetic(day or business_day.today(), seed=seed)
    if name == "archive":
        from lumbung.stream.archive import Archive

        if path is None:
            raise LumbungError("no path is given", where="archive", remedy="give the folder or file with --path")
        return Archive(path)
    if name == "x":
        from lumbung.stream.x import Search

        return Search(settings)
    raise LumbungError("no such source", where=name, remedy=f"use one of {', '.join(TWEET_SOURCES)}")


def collect(settings: Settings, source: Source) -> Summary:
    """Write what a source has into the spool.

    Raises:
        LumbungError: the source cannot be read, or the spool not be written. What had reached a checkpoint or filled a
            file is in the spool; collecting again brings the rest.
    """
    try:
        return _collect(settings.spool, source)
    except OSError as error:
        raise LumbungError(
            f"the spool cannot be used: {error.strerror}",
            where=str(error.filename or settings.spool),
            remedy="make room or fix it, then collect again",
        ) from error


def _collect(spool: Path, source: Source) -> Summary:
    tweets = _Files(spool / INCOMING, source.name)
    errors = _Errors(spool, source.name)
    with contextlib.closing(tweets), contextlib.closing(errors), contextlib.closing(source.items()) as items:
        for item in items:
            match item:
                case Checkpoint():
                    errors.finish()
                    tweets.finish()
                    item.save()
                case Refused():
                    errors.add(item)
                case _ if len(item) > MAX_TWEET_BYTES:
                    reason = f"a tweet of {len(item):,} bytes; a message may have {MAX_TWEET_BYTES:,}"
                    errors.add(Refused(source.name, tweets.lines + 1, reason, item))
                case _:
                    tweets.add(item)
        errors.finish()
        tweets.finish()
    return Summary(
        source=source.name,
        files=tweets.files,
        tweets=tweets.lines,
        refused=errors.whole.lines,
        error_files=errors.whole.files,
        requests=source.requests,
        usd=source.mills / 1000,
        notes=source.notes,
    )


class _Files:
    """Lines into files that are visible only when whole."""

    def __init__(self, folder: Path, prefix: str) -> None:
        self.folder, self.prefix = folder, prefix
        self.files: list[Path] = []
        self.lines = 0
        self._file: BinaryIO | None = None
        folder.mkdir(parents=True, exist_ok=True)
        for leftover in folder.glob("*.tmp"):
            with contextlib.suppress(FileNotFoundError):  # whole by now
                if leftover.stat().st_mtime < time.time() - ABANDONED_SECONDS:
                    leftover.unlink()

    def add(self, line: bytes) -> None:
        if self._file is None:
            self._temporary = self.folder / f"{self.prefix}-{uuid.uuid4().hex}.tmp"
            self._file = self._temporary.open("xb")
            self._digest, self._first = hashlib.sha256(), self.lines
        self._file.write(line + b"\n")
        self._digest.update(line + b"\n")
        self.lines += 1
        if self.lines - self._first == MAX_LINES or self._file.tell() >= MAX_FILE_BYTES:
            self.finish()

    def finish(self) -> None:
        """Give what was added so far its name."""
        if self._file is None:
            return
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        path = self.folder / f"{self.prefix}-{self._digest.hexdigest()[:16]}.jsonl"
        self._temporary.replace(path)
        sync(self.folder)
        self._file = None
        self.files.append(path)

    def close(self) -> None:
        """Drop what is not finished."""
        if self._file is not None:
            self._file.close()
            self._temporary.unlink(missing_ok=True)


class _Errors:
    """What is not a tweet: whole in a file of errors, and in the spool as a message can carry it."""

    def __init__(self, spool: Path, source: str) -> None:
        self.source = source
        self.whole = _Files(spool / ERROR, f"collect-{source}")
        self.spooled = _Files(spool / INCOMING, f"{source}-refused")
        self._last = ""

    def add(self, refused: Refused) -> None:
        file, line, reason = refused.file, refused.line, refused.reason
        if file != self._last:
            self.spooled.finish()
            self._last = file
        self.spooled.add(envelope.refuse(refused.raw, source=self.source, file=file, line=line, reason=reason))
        # Bytes that are not UTF-8 stay what they were: lone surrogates stand for them.
        raw = refused.raw.decode("utf-8", "surrogateescape")
        self.whole.add(json.dumps({"file": file, "line": line, "reason": reason, "raw": raw}).encode())

    def finish(self) -> None:
        """Give what was added so far its names."""
        self.spooled.finish()
        self.whole.finish()

    def close(self) -> None:
        """Drop what is not finished."""
        self.spooled.close()
        self.whole.close()
