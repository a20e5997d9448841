"""Answers for pages: made by short-lived processes, kept as long as nothing new is published.

The API server also serves Airflow's tasks. So it never waits for the warehouse in a thread, imports none of what reads
it, and has few such processes, however many readers wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sys
import time
from collections import OrderedDict, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

READER_SECONDS = 5.0
"""How long a reader waits."""
PROCESS_SECONDS = 20.0
"""How long a process may take: a report takes BigQuery a dozen jobs of a second, and who reloads the page finds it."""
PROCESSES, LAKE_PROCESSES = 2, 1
"""How many run at a time; the latter of answers in `LAKE_ALONE`, which no warehouse that hangs may hold up."""
LAKE_ALONE = ("run", "run_data")
KEPT_BYTES = 16_000_000

PLUGINS = Path(__file__).resolve().parents[2]
INCLUDE = PLUGINS.parent / "include"
COMMAND = (sys.executable, "-P", "-m", "lumbung_airflow.pages.answer")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Question:
    """What is asked.

    Attributes:
        name: of the function in `answer`.
        options: its arguments, as sorted pairs.
    """

    name: str
    options: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def of(cls, name: str, **options: Any) -> Question:
        """The question with these arguments."""
        return cls(name, tuple(sorted(options.items())))


@dataclass(frozen=True)
class Answer:
    """What came of a question.

    Attributes:
        body: the page or data.
        media_type: of the body.
        signature: names the state of the lake that it was made from.
        facts: what the page says of it beside the body, such as its day.
        made_at: when it was last known to be right, in seconds of the epoch.
        problem: why it could not be made again; None: it is right.
    """

    body: bytes
    media_type: str
    signature: str
    facts: Mapping[str, Any]
    made_at: float
    problem: Problem | None = None


class Problem(Exception):  # noqa: N818 - it is what a reader is told, as of a `LumbungError`
    """Why there is no answer.

    Args:
        what: what happened.
        where: where.
        remedy: what to do.
        is_late: whether the answer is still being made.
    """

    def __init__(self, what: str, where: str = "", remedy: str = "", *, is_late: bool = False) -> None:
        super().__init__(what)
        self.what, self.where, self.remedy, self.is_late = what, where, remedy, is_late


@dataclass
class Answers:
    """Gives answers to the readers of all pages.

    Attributes:
        command: makes one answer, see `answer`.
    """

    command: Sequence[str] = COMMAND
    _kept: OrderedDict[Question, Answer] = field(default_factory=OrderedDict)
    _queued: dict[Question, asyncio.Task[Answer]] = field(default_factory=dict)
    _locks: defaultdict[Question, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(PROCESSES))
    _lake_slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(LAKE_PROCESSES))

    async def get(self, question: Question, volatile: Mapping[str, Any] | None = None) -> Answer:
        """The answer as of now, or the last one with the reason why there is no newer one.

        Args:
            question: what is asked.
            volatile: more arguments of the function: those that change while the question stays the same.

        Raises:
            Problem: there is none.
        """
        # One that has begun may have read what was published before this reader came. So it joins the next.
        flight = self._queued.get(question)
        if flight is None:
            flight = self._queued[question] = asyncio.create_task(self._make(question, volatile or {}))
            flight.add_done_callback(_mark_as_seen)
        await asyncio.wait([flight], timeout=READER_SECONDS)
        if not flight.done():
            problem: BaseException = Problem(
                f"the answer is not there after {READER_SECONDS:.0f} seconds",
                remedy="see that the warehouse runs, if it does not come",
                is_late=True,
            )
        elif (error := flight.exception()) is None:
            return flight.result()
        else:
            problem = error
        if isinstance(problem, Problem) and (kept := self._kept.get(question)):
            return replace(kept, problem=problem)
        raise problem

    async def _make(self, question: Question, volatile: Mapping[str, Any]) -> Answer:
        slots = self._lake_slots if question.name in LAKE_ALONE else self._slots
        async with self._locks[question], slots:
            del self._queued[question]
            try:
                kept = self._kept.get(question)
                began = time.time()
                header, body = await self._run(question, volatile, kept.signature if kept else "")
                if header.get("same") and kept:
                    answer = replace(kept, made_at=began)
                else:
                    answer = Answer(body, header["media_type"], header["signature"], header["facts"], began)
                self._keep(question, answer)
                return answer
            finally:
                if question not in self._kept and question not in self._queued:
                    del self._locks[question]

    def _keep(self, question: Question, answer: Answer) -> None:
        self._kept[question] = answer
        self._kept.move_to_end(question)
        while len(self._kept) > 1 and sum(len(kept.body) for kept in self._kept.values()) > KEPT_BYTES:
            oldest, _ = self._kept.popitem(last=False)
            if not self._locks[oldest].locked():  # else its flight removes it
                del self._locks[oldest]

    async def _run(
        self, question: Question, volatile: Mapping[str, Any], signature: str
    ) -> tuple[dict[str, Any], bytes]:
        """What a process prints: a line of JSON, and the body.

        Raises:
            Problem: it could not make an answer, or took too long.
        """
        arguments = json.dumps({**dict(question.options), **volatile})
        process = await asyncio.create_subprocess_exec(
            *self.command,
            *(question.name, arguments, signature),
            env=_environ(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            output, errors = await asyncio.wait_for(process.communicate(), PROCESS_SECONDS)
        except TimeoutError:
            raise Problem(
                f"no answer could be made within {PROCESS_SECONDS:.0f} seconds",
                where=question.name,
                remedy="see that the warehouse runs, then reload the page",
            ) from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        line, _, body = output.partition(b"\n")
        if process.returncode or not line:
            log.error("The page %s failed:\n%s", question.name, errors.decode(errors="replace")[-5000:])
            raise Problem("it could not be made", where=question.name, remedy="read the API server's log")
        header = json.loads(line)
        if problem := header.get("problem"):
            raise Problem(**problem)
        return header, body


def _environ() -> dict[str, str]:
    path = [str(INCLUDE), str(PLUGINS), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path)}


def _mark_as_seen(flight: asyncio.Task[Answer]) -> None:
    """Its readers may all be gone: asyncio would log that nobody asked what came of it."""
    if not flight.cancelled():
        flight.exception()
