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
import re
import sys
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from lumbung.core.errors import LumbungError, UnknownError

READER_SECONDS = 5.0
"""How long a reader waits."""
PROCESS_SECONDS = 30.0
"""How long a process may take: a report takes BigQuery a dozen jobs of a second, and who reloads the page finds it."""
PROCESSES, LAKE_PROCESSES = 2, 1
"""How many run at a time; the latter of answers in `LAKE_ALONE`, which no warehouse that hangs may hold up."""
LAKE_ALONE = ("run", "run_data")
FIRST = ("report", "report_data")
"""What always finds a process that may run: of all others, which are as many as readers like, one less runs."""
QUEUED = 32
"""How many answers wait for a process at most."""
KEPT_BYTES, KEPT_BYTES_OF_ONE = 16_000_000, 2_000_000
LATE_PROBLEM_SECONDS = 30.0
"""How long a problem that came when nobody waited any more is kept for the next reader, who would else never see it."""

PLUGINS = Path(__file__).resolve().parents[2]
INCLUDE = PLUGINS.parent / "include"
# Lumbung's settings, those of the clients of warehouse and lake, and what every program may need.
PASSED = re.compile(
    r"(LUMBUNG|BIGQUERY|GOOGLE|GCLOUD|CLOUDSDK|GCE|GRPC|AZURE|IDENTITY|MSI|SSL|XDG|LC)_"
    r"|(PATH|HOME|USER|LOGNAME|LANG|LANGUAGE|TZ|TMPDIR|TEMP|TMP|LD_LIBRARY_PATH|NO_GCE_CHECK)$"
    r"|PYTHON|(REQUESTS|CURL)_CA_BUNDLE$|(?i:(http|https|all|no)_proxy)$"
)
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


class Problem(Exception):  # noqa: N818 - shown to a reader, as a `LumbungError` is
    """Why an answer is missing.

    Args:
        what: what happened.
        where: where.
        remedy: what to do.
        is_late: whether the answer is still being made.
        is_unknown: whether there is nothing of this name.
    """

    def __init__(
        self, what: str, where: str = "", remedy: str = "", *, is_late: bool = False, is_unknown: bool = False
    ) -> None:
        super().__init__(what)
        self.what, self.where, self.remedy, self.is_late, self.is_unknown = what, where, remedy, is_late, is_unknown

    @classmethod
    def of(cls, error: LumbungError) -> Problem:
        """What an error says."""
        return cls(error.what, error.where, error.remedy, is_unknown=isinstance(error, UnknownError))


@dataclass(eq=False)
class Flight:
    """An answer that is going to be made, and those who wait for it.

    Attributes:
        question: what is asked.
        volatile: more arguments of the function, those of the reader who came last.
        readers: how many wait.
        task: makes it.
    """

    question: Question
    volatile: Mapping[str, Any] = field(default_factory=dict)
    readers: int = 0
    task: asyncio.Task[Answer] = field(init=False)


@dataclass
class Answers:
    """Gives answers to the readers of all pages.

    Attributes:
        command: makes one answer, see `answer`.
    """

    command: Sequence[str] = COMMAND
    _kept: OrderedDict[Question, Answer] = field(default_factory=OrderedDict)
    _late_problems: dict[Question, tuple[Problem, float]] = field(default_factory=dict)  # monotonic, in seconds
    _queued: dict[Question, Flight] = field(default_factory=dict)
    _locks: WeakValueDictionary[Question, asyncio.Lock] = field(default_factory=WeakValueDictionary)
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(PROCESSES))
    _slots_of_others: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(PROCESSES - 1))
    _lake_slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(LAKE_PROCESSES))

    async def get(self, question: Question, volatile: Mapping[str, Any] | None = None) -> Answer:
        """The answer as of now, or the last one with the reason why it is not newer.

        Args:
            question: what is asked.
            volatile: more arguments of the function: those that change while the question stays the same.

        Raises:
            Problem: there is none.
        """
        try:
            return await self._newest(question, volatile or {})
        except Problem as problem:
            if kept := self._kept.get(question):
                return replace(kept, problem=problem)
            raise

    async def _newest(self, question: Question, volatile: Mapping[str, Any]) -> Answer:
        if late := self._late_problems.pop(question, None):
            problem, came_at = late
            if time.monotonic() < came_at + LATE_PROBLEM_SECONDS:
                raise problem
        # One that has begun may have read what was published before this reader came. So it joins the next.
        flight = self._queued.get(question)
        if flight is None:
            if question.name not in FIRST and len(self._queued) >= QUEUED:
                raise Problem("too many answers are being made", remedy="wait a little, then reload the page")
            flight = self._queued[question] = Flight(question)
            flight.task = asyncio.create_task(self._make(flight))
            flight.task.add_done_callback(_mark_as_seen)
        flight.volatile = volatile
        flight.readers += 1
        try:
            await asyncio.wait([flight.task], timeout=READER_SECONDS)
        finally:
            flight.readers -= 1
            if not flight.readers and self._queued.get(question) is flight:
                del self._queued[question]
                flight.task.cancel()
        if flight.task.done():
            return flight.task.result()
        raise Problem(
            f"the answer is not there after {READER_SECONDS:.0f} seconds",
            remedy="see that the warehouse runs, if it does not come",
            is_late=True,
        )

    async def _make(self, flight: Flight) -> Answer:
        question = flight.question
        async with self._locks.setdefault(question, asyncio.Lock()), self._process_of(question.name):
            del self._queued[question]
            self._late_problems.pop(question, None)
            kept = self._kept.get(question)
            try:
                answer = await self._answer(flight, kept)
            except Problem as problem:
                if not flight.readers:
                    self._keep_late(question, problem)
                raise
            if len(answer.body) <= KEPT_BYTES_OF_ONE:
                self._keep(question, answer)
            return answer

    @contextlib.asynccontextmanager
    async def _process_of(self, name: str) -> AsyncIterator[None]:
        """Wait until one more process may run for answers of this name."""
        async with contextlib.AsyncExitStack() as stack:
            if name in LAKE_ALONE:
                await stack.enter_async_context(self._lake_slots)
            else:
                if name not in FIRST:
                    await stack.enter_async_context(self._slots_of_others)
                await stack.enter_async_context(self._slots)
            yield

    def _keep(self, question: Question, answer: Answer) -> None:
        self._kept[question] = answer
        self._kept.move_to_end(question)
        while sum(len(kept.body) for kept in self._kept.values()) > KEPT_BYTES:
            self._kept.popitem(last=False)

    def _keep_late(self, question: Question, problem: Problem) -> None:
        now = time.monotonic()
        fresh = {key: late for key, late in self._late_problems.items() if now < late[1] + LATE_PROBLEM_SECONDS}
        self._late_problems = {**fresh, question: (problem, now)}

    async def _answer(self, flight: Flight, kept: Answer | None) -> Answer:
        """What a process says: a line of JSON, and the body.

        Raises:
            Problem: it could not make an answer, or took too long.
        """
        name, began = flight.question.name, time.time()
        arguments = json.dumps({**dict(flight.question.options), **flight.volatile})
        try:
            line, _, body = (await self._run(name, arguments, kept.signature if kept else "")).partition(b"\n")
            header = json.loads(line)
            if problem := header.get("problem"):
                raise Problem(**problem)
            if kept and header.get("same"):
                return replace(kept, made_at=began)
            return Answer(body, header["media_type"], header["signature"], header["facts"], began)
        except TimeoutError:
            raise Problem(
                f"no answer could be made within {PROCESS_SECONDS:.0f} seconds",
                where=name,
                remedy="see that the warehouse runs, then reload the page",
            ) from None
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            # No process could be started, it failed, or what it printed was cut off.
            log.exception("The page %s failed", name)
            raise Problem("it could not be made", where=name, remedy="read the API server's log") from error

    async def _run(self, name: str, arguments: str, signature: str) -> bytes:
        """What a process prints.

        Args:
            name: of the function in `answer`.
            arguments: its arguments, as JSON.
            signature: that of the answer that is kept, or empty.

        Raises:
            OSError: it could not be started, or failed.
            TimeoutError: it took too long.
        """
        process = await asyncio.create_subprocess_exec(
            *self.command,
            *(name, arguments, signature),
            cwd=INCLUDE.parent,
            env=environ(name),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            output, errors = await asyncio.wait_for(process.communicate(), PROCESS_SECONDS)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        if process.returncode:
            raise ChildProcessError(f"it ended with {process.returncode}:\n{errors.decode(errors='replace')[-5000:]}")
        return output


def environ(name: str) -> dict[str, str]:
    """The environment of a process: Airflow's secrets are only in one that may need Airflow's connection.

    Args:
        name: of the function in `answer`.
    """
    has_credentials = any(map(os.environ.get, ("BIGQUERY_EMULATOR_HOST", "GOOGLE_APPLICATION_CREDENTIALS")))
    passed = PASSED if has_credentials or name in LAKE_ALONE else re.compile("")
    path = [str(INCLUDE), str(PLUGINS), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **{variable: value for variable, value in os.environ.items() if passed.match(variable)},
        "PYTHONPATH": os.pathsep.join(path),
    }


def _mark_as_seen(task: asyncio.Task[Answer]) -> None:
    """Its readers may all be gone: asyncio would log that nobody asked what came of it."""
    if not task.cancelled():
        task.exception()
