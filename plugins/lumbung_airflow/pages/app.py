"""The app that the API server mounts at `/lumbung`. Nothing here may block: it shares Airflow's event loop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from starlette.exceptions import HTTPException as StarletteHTTPException

from lumbung.core.errors import LumbungError
from lumbung.core.policy import SAME_SERVER, content_policy
from lumbung.serving.drill import drill_by
from lumbung.systems.registry import all_systems
from lumbung_airflow.pages import access, frame
from lumbung_airflow.pages.access import SeesRawRows, SeesRawRowsOfRun
from lumbung_airflow.pages.answers import INCLUDE, Answer, Answers, Problem, Question
from lumbung_airflow.pages.runs import KnownRun

PREFIX = "/lumbung"
MEDIA_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
# Read once: no request waits for a disk.
STATIC = {
    path.name: (path.read_bytes(), MEDIA_TYPES[path.suffix])
    for folder in ("report", "catalogue")
    for path in (INCLUDE / "lumbung" / folder).iterdir()
    if path.suffix in MEDIA_TYPES
}
TABLES = frozenset(f"{path.parent.name}.{path.stem}" for path in (INCLUDE / "sql").glob("*/*.yaml"))
HEADERS = {
    "Content-Security-Policy": content_policy(SAME_SERVER, SAME_SERVER, "connect-src 'self'", "frame-ancestors 'self'"),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}

Name = Annotated[str, Query(max_length=1000, pattern=r"^[^\x00]*$")]
Offset = Annotated[int, Query(ge=0, le=10_000_000)]

app = FastAPI(title="Lumbung", docs_url=None, redoc_url=None, openapi_url=None)
get = partial(app.api_route, methods=["GET", "HEAD"])
answers = Answers()


@app.middleware("http")
async def add_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """No page loads anything from elsewhere, and none is kept by a browser or a proxy."""
    # A database cannot be asked for a text with this in it.
    has_null = "\0" in request.scope["path"]
    response = await (refuse(request, HTTPException(404, "Not Found")) if has_null else call_next(request))
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response


@app.exception_handler(StarletteHTTPException)
async def refuse(request: Request, error: HTTPException) -> Response:
    """Let a person log in and come back; tell all others what Airflow said."""
    root = request.scope.get("root_path", "")
    if "text/html" not in request.headers.get("accept", "") or not _is_page(request):
        return JSONResponse({"detail": error.detail}, error.status_code, headers=error.headers)
    if error.status_code == 401:
        target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        login = root.removesuffix(PREFIX) + "/api/v2/auth/login"
        return RedirectResponse(f"{login}?{urlencode({'next': target})}", 307)
    return HTMLResponse(frame.refusal_page(error.status_code, root), error.status_code, headers=error.headers)


@app.exception_handler(Problem)
async def explain(request: Request, problem: Problem) -> Response:
    """Say why the answer is missing."""
    if _is_page(request):
        return HTMLResponse(frame.problem_page(problem, request.scope.get("root_path", "")), 503)
    detail = {"detail": problem.what, "where": problem.where, "remedy": problem.remedy}
    if problem.is_unknown:
        return JSONResponse(detail, 404)
    return JSONResponse(detail, 503, headers={"Retry-After": "10"})


@get("/")
async def index() -> Response:
    """The report is the first page."""
    return RedirectResponse("report", 307)


@get("/report", dependencies=[Depends(access.may_read_all)])
async def report(raw: SeesRawRows, download: str | None = None) -> Response:
    """The report page, or the file that holds all of it."""
    live = download is None
    answer = await answers.get(Question.of("report", raw=raw, live=live))
    if live:
        return _page(answer, save="report?download")
    name = f"lumbung-{answer.facts['day']}-{answer.facts['generation']}.html"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(answer.body, media_type=answer.media_type, headers=headers)


@get("/api/report", dependencies=[Depends(access.may_read_all)])
async def report_data(raw: SeesRawRows, table: Name | None = None, offset: Offset = 0) -> Response:
    """What the report says, as JSON; or more rows of one of its tables, for its script."""
    if table is not None:
        return _data(await answers.get(Question.of("table", table=table, offset=offset)))
    return _data(await answers.get(Question.of("report_data", raw=raw)))


@get("/api/rows/{system}", dependencies=[Depends(access.may_read_all)])
async def rows(
    raw: SeesRawRows,
    system: str,
    by: Name,
    value: Name,
    offset: Offset = 0,
    kind: Annotated[Literal["json", "csv"], Query(alias="format")] = "json",
) -> Response:
    """The rows behind a number of the report: a page of them, or all as CSV.

    Args:
        raw: whether the rows may name people.
        system: the system's name.
        by: the column by whose value they are found.
        value: the value.
        offset: the first row.
        kind: `json` or `csv`.
    """
    known = next((known for known in all_systems() if known.name == system), None)
    if known is None:
        raise HTTPException(404, "Not Found")
    try:
        drill_by(known, by)  # a name that is wrong costs no process
    except LumbungError as error:
        raise Problem.of(error) from None
    asked = Question.of("drill", system=system, by=by, value=value, offset=offset, csv=kind == "csv", raw=raw)
    response = _data(await answers.get(asked))
    if kind == "csv":
        response.headers["Content-Disposition"] = f'attachment; filename="{system}-rows.csv"'
    return response


@get("/run/{dag_id}/{run_id}", dependencies=[Depends(access.may_read_run)])
async def run(raw: SeesRawRowsOfRun, run: KnownRun) -> Response:
    """The page of a run."""
    return _page(await _answer_of_run("run", run, raw=raw))


@get("/api/run/{dag_id}/{run_id}", dependencies=[Depends(access.may_read_run)])
async def run_data(raw: SeesRawRowsOfRun, run: KnownRun) -> Response:
    """What the page of a run shows, as JSON."""
    return _data(await _answer_of_run("run_data", run, raw=raw))


async def _answer_of_run(name: str, run: KnownRun, *, raw: bool) -> Answer:
    identity = {key: run[key] for key in ("dag_id", "run_id")}
    return await answers.get(Question.of(name, raw=raw, **identity), run)


@get("/catalogue", dependencies=[Depends(access.may_read_all)])
async def catalogue() -> Response:
    """The list of all tables."""
    return _page(await answers.get(Question.of("catalogue", address="")))


@get("/catalogue/{dataset}.{table}", dependencies=[Depends(access.may_read_all)])
async def catalogue_table(dataset: str, table: str) -> Response:
    """The catalogue's page of a table."""
    address = f"{dataset}.{table}"
    if address not in TABLES:
        raise HTTPException(404, "Not Found")
    return _page(await answers.get(Question.of("catalogue", address=address)))


@get("/api/catalogue", dependencies=[Depends(access.may_read_all)])
async def catalogue_data() -> Response:
    """What the catalogue says, as JSON."""
    return _data(await answers.get(Question.of("catalogue_data")))


@get("/static/{name}", dependencies=[Depends(access.may_read_dag)])
async def static(name: str) -> Response:
    """A script or style of the pages."""
    if name not in STATIC:
        raise HTTPException(404, "Not Found")
    content, media_type = STATIC[name]
    return Response(content, media_type=media_type, headers={"Cache-Control": "private, max-age=60"})


def _is_page(request: Request) -> bool:
    root = request.scope.get("root_path", "")
    return not request.url.path.startswith((f"{root}/api/", f"{root}/static/"))


def _page(answer: Answer, **links: str) -> Response:
    body = frame.with_notes(answer, datetime.now(UTC), **links)
    return Response(body, media_type=answer.media_type)


def _data(answer: Answer) -> Response:
    headers = {"X-Lumbung-Problem": "last good answer"} if answer.problem else {}
    age = {"Age": f"{max(0, round(datetime.now(UTC).timestamp() - answer.made_at))}"}
    return Response(answer.body, media_type=answer.media_type, headers={**headers, **age})
