"""The API as an ASGI application."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from time import perf_counter
from typing import Any, NamedTuple
from urllib.parse import unquote

import msgspec

from lumbung.models.predict import UnknownCourseError
from lumbung.serving.api import decode, metrics, pages, problems
from lumbung.serving.api.bodies import Health, Readiness
from lumbung.serving.api.functions import FUNCTIONS, Call, Function
from lumbung.serving.api.keys import Keys, Rates
from lumbung.serving.api.openapi import HTML, JSON, document
from lumbung.serving.api.problems import Problem
from lumbung.serving.api.routes import READS
from lumbung.serving.api.served import Library

log = logging.getLogger(__name__)

type Scope = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
type Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MODELS = "/v1/models/"
OPEN = ("/", "/healthz", "/readyz")
ALWAYS = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]


class Answer(NamedTuple):
    """An answer.

    Attributes:
        content: its body.
        media: its type.
        status: its status.
        headers: besides its type and length.
    """

    content: bytes
    media: str = JSON
    status: int = 200
    headers: Sequence[tuple[bytes, bytes]] = ()


class Application:
    """Answers requests by what its library serves.

    Args:
        library: the models.
        keys: who is let in.
        rate: requests per second and key.
        poll_seconds: pause between two looks at the lake and at the file of keys.
    """

    def __init__(self, library: Library, keys: Keys, rate: float, poll_seconds: float) -> None:
        self._library, self._keys, self._rates = library, keys, Rates(rate)
        self._poll_seconds, self._said = poll_seconds, ""
        self._metrics = metrics.Metrics()
        self._encode = msgspec.json.Encoder().encode
        described = document()
        home, openapi, docs = (
            Answer(pages.home(), HTML, headers=[(b"content-security-policy", pages.POLICY)]),
            Answer(self._encode(described)),
            Answer(pages.docs(described), HTML, headers=[(b"content-security-policy", pages.POLICY)]),
        )
        self._pages: dict[str, Callable[[], Answer]] = {
            "/": lambda: home,
            "/healthz": lambda: Answer(self._encode(Health())),
            "/readyz": self._readiness,
            "/metrics": self._counted,
            "/openapi.json": lambda: openapi,
            "/docs": lambda: docs,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or start and stop with the server."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        started = perf_counter()
        template, name = self._route(scope["raw_path"].decode("ascii"))
        try:
            answer = await self._answer(scope, receive, template, name)
        except Problem as problem:
            answer = self._problem(problem)
        except Exception:
            log.exception("a request to %s failed", template)
            answer = self._problem(Problem("internal", "The server's log says what happened."))
        headers = [
            (b"content-type", answer.media.encode()),
            (b"content-length", str(len(answer.content)).encode()),
            *ALWAYS,
            *answer.headers,
        ]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.content})
        self._metrics.count(template or "other", answer.status, perf_counter() - started)

    def _route(self, path: str) -> tuple[str, str]:
        """A path as the document has it, and the model's id in it; empty: there is no such path.

        Args:
            path: as it was sent: an encoded slash is part of an id.
        """
        template, name = path, ""
        if path.startswith(MODELS):
            name, slash, function = path[len(MODELS) :].partition("/")
            template, name = f"{MODELS}{{id}}{slash}{function}", unquote(name)
        return (template, name) if template in FUNCTIONS or template in READS or template in self._pages else ("", "")

    async def _answer(self, scope: Scope, receive: Receive, template: str, name: str) -> Answer:
        authorization, length = b"", 0
        for header, value in scope["headers"]:
            if header == b"authorization":
                authorization = value
            elif header == b"content-length":
                length = int(value)
        if template not in OPEN:
            self._rates.take(self._keys.check(authorization))
        if not template:
            raise Problem("not-found", "GET /openapi.json lists the paths.")
        function = FUNCTIONS.get(template)
        methods = ("POST",) if function else ("GET", "HEAD")
        if scope["method"] not in methods:
            allowed = ", ".join(methods)
            raise Problem("method-not-allowed", f"Use {allowed}.", headers=[(b"allow", allowed.encode())])
        if function:
            return await self._call(function, name, await _content(receive, length))
        if page := self._pages.get(template):
            return page()
        read = READS[template]
        query = decode.query(scope["query_string"], read.query)
        return Answer(self._encode(read.read(self._library.ready(), name, query)))

    async def _call(self, function: Function, name: str, content: bytes) -> Answer:
        served = self._library.ready()
        body = decode.body(function.decoder, content)
        model = served.model(name)
        if function.kind not in model.kinds and not model.pruned:
            raise Problem("model-not-found", f"Model {model.id} has no {function.kind}: its data lack the columns.")
        predictor = served.predictors.get(model.key) or await self._library.predictor(served, model)
        try:
            return Answer(self._encode(function.run(Call(served, model, predictor, body))))
        except UnknownCourseError:
            raise Problem("course-unknown", f"Model {model.id} does not know the course.") from None

    def _readiness(self) -> Answer:
        release = self._library.ready().release
        return Answer(self._encode(Readiness(release.generation, len(release.models), self._library.refused)))

    def _counted(self) -> Answer:
        library = self._library
        gauges = {
            "lumbung_api_release": ("Generation of the release that is served.", library.generation),
            "lumbung_api_refused_release": ("Generation of a refused newer release, or 0.", library.refused or 0),
            "lumbung_api_switches": ("How often another release was taken.", library.switches),
            "lumbung_api_loaded_models": ("Models in memory.", library.loaded),
        }
        return Answer(self._metrics.text(gauges).encode(), metrics.MEDIA)

    def _problem(self, problem: Problem) -> Answer:
        return Answer(self._encode(problem.document), problems.MEDIA, problem.status, problem.headers)

    async def _live(self, receive: Receive, send: Send) -> None:
        """Look for releases from the server's start to its end."""
        await receive()
        await self._look()
        watch = asyncio.create_task(self._watch())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        watch.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watch
        await send({"type": "lifespan.shutdown.complete"})

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._poll_seconds)
            await self._look()

    async def _look(self) -> None:
        """Take what is new; whatever is wrong with the lake, what is served goes on, and the next look may go well."""
        try:
            await asyncio.to_thread(self._keys.reload)
            await asyncio.to_thread(self._library.refresh)
        except Exception as error:
            if str(error) != self._said:
                log.warning("the lake cannot be read, what is served stays", exc_info=error)
            self._said = str(error)
        else:
            self._said = ""


async def _content(receive: Receive, length: int) -> bytes:
    """A request's body.

    Args:
        receive: gives its parts.
        length: what its header says it has; a body in chunks says nothing.

    Raises:
        Problem: it is too large.
    """
    parts = []
    more = length <= decode.MAX_BYTES
    size = 0 if more else length
    while more:
        message = await receive()
        part = message.get("body", b"")
        parts.append(part)
        size += len(part)
        more = message.get("more_body", False) and size <= decode.MAX_BYTES
    if size > decode.MAX_BYTES:
        raise Problem("too-large", f"A body has at most {decode.MAX_BYTES} bytes.")
    return b"".join(parts)
