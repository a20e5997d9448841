"""The app that the API server mounts at `/lumbung`. Nothing here may block: it shares Airflow's event loop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlencode

from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from starlette.exceptions import HTTPException as StarletteHTTPException

from lumbung.systems.registry import all_systems
from lumbung_airflow.pages import access, frame
from lumbung_airflow.pages.answers import INCLUDE, Answer, Answers, Problem, Question
from lumbung_airflow.pages.runs import KnownRun

PREFIX = "/lumbung"
STATIC = (INCLUDE / "lumbung" / "report", INCLUDE / "lumbung" / "catalogue")
MEDIA_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}

Name = Annotated[str, Query(max_length=1000)]
Offset = Annotated[int, Query(ge=0, le=10_000_000)]

app = FastAPI(title="Lumbung", docs_url=None, redoc_url=None, openapi_url=None)
answers = Answers()


@app.middleware("http")
async def add_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """No page loads anything from elsewhere, and none is kept by a browser or a proxy."""
    response = await call_next(request)
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response


@app.exception_handler(StarletteHTTPException)
async def refuse(request: Request, error: HTTPException) -> Response:
    """Let a person log in and come back; tell all others what Airflow said."""
    root = request.scope.get("root_path", "")
    if error.status_code == 401 and "text/html" in request.headers.get("accept", "") and _is_page(request):
        target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        login = root.removesuffix(PREFIX) + "/api/v2/auth/login"
        return RedirectResponse(f"{login}?{urlencode({'next': target})}", 307)
    return JSONResponse({"detail": error.detail}, error.status_code, headers=error.headers)


@app.exception_handler(Problem)
async def explain(request: Request, problem: Problem) -> Response:
    """Say why there is no answer."""
    if _is_page(request):
        page = frame.problem_page(problem, f"{request.scope.get('root_path', '')}/static")
        return Response(page, 503, media_type="text/html; charset=utf-8")
    detail = {"detail": problem.what, "where": problem.where, "remedy": problem.remedy}
    return JSONResponse(detail, 503, headers={"Retry-After": "10"})


@app.get("/report", dependencies=[Depends(access.may_read_all)])
async def report(user: GetUserDep, download: str | None = None) -> Response:
    """The report page, or the file that holds all of it."""
    live = download is None
    answer = await answers.get(Question.of("report", raw=_sees_raw_rows(user), live=live))
    if live:
        return _page(answer, save="report?download")
    name = f"lumbung-{answer.facts['day']}-{answer.facts['generation']}.html"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(answer.body, media_type=answer.media_type, headers=headers)


@app.get("/api/report", dependencies=[Depends(access.may_read_all)])
async def report_data(user: GetUserDep, table: Name | None = None, offset: Offset = 0) -> Response:
    """What the report says, as JSON; or more rows of one of its tables, for its script."""
    if table is not None:
        return _data(await answers.get(Question.of("table", table=table, offset=offset)))
    return _data(await answers.get(Question.of("report_data", raw=_sees_raw_rows(user))))


@app.get("/api/rows/{system}", dependencies=[Depends(access.may_read_all)])
async def rows(
    system: str,
    by: Name,
    value: Name,
    offset: Offset = 0,
    kind: Annotated[Literal["json", "csv"], Query(alias="format")] = "json",
    *,
    user: GetUserDep,
) -> Response:
    """The rows behind a number of the report: a page of them, or all as CSV.

    Args:
        system: the system's name.
        by: the column by whose value they are found.
        value: the value.
        offset: the first row.
        kind: `json` or `csv`.
        user: who asks: rows that name people are for who may trigger.
    """
    if system not in {known.name for known in all_systems()}:
        raise HTTPException(404, "Not Found")
    raw = _sees_raw_rows(user)
    asked = Question.of("drill", system=system, by=by, value=value, offset=offset, csv=kind == "csv", raw=raw)
    response = _data(await answers.get(asked))
    if kind == "csv":
        response.headers["Content-Disposition"] = f'attachment; filename="{system}-rows.csv"'
    return response


@app.get("/run/{dag_id}/{run_id}", dependencies=[Depends(access.may_read_run)])
async def run(user: GetUserDep, run: KnownRun) -> Response:
    """The page of a run."""
    return _page(await _answer_of_run("run", user, run))


@app.get("/api/run/{dag_id}/{run_id}", dependencies=[Depends(access.may_read_run)])
async def run_data(user: GetUserDep, run: KnownRun) -> Response:
    """What the page of a run shows, as JSON."""
    return _data(await _answer_of_run("run_data", user, run))


async def _answer_of_run(name: str, user: GetUserDep, run: KnownRun) -> Answer:
    raw, identity = access.may_trigger(user, run["dag_id"]), {key: run[key] for key in ("dag_id", "run_id")}
    return await answers.get(Question.of(name, raw=raw, **identity), run)


@app.get("/catalogue", dependencies=[Depends(access.may_read_all)])
async def catalogue() -> Response:
    """The list of all tables."""
    return _page(await answers.get(Question.of("catalogue", address="")))


@app.get("/catalogue/{dataset}.{table}", dependencies=[Depends(access.may_read_all)])
async def catalogue_table(dataset: str, table: str) -> Response:
    """The catalogue's page of a table."""
    if f"{dataset}/{table}" not in {f"{path.parent.name}/{path.stem}" for path in (INCLUDE / "sql").glob("*/*.yaml")}:
        raise HTTPException(404, "Not Found")
    return _page(await answers.get(Question.of("catalogue", address=f"{dataset}.{table}")))


@app.get("/api/catalogue", dependencies=[Depends(access.may_read_all)])
async def catalogue_data() -> Response:
    """What the catalogue says, as JSON."""
    return _data(await answers.get(Question.of("catalogue_data")))


@app.get("/static/{name}", dependencies=[Depends(access.may_read_dag)])
async def static(name: str) -> Response:
    """A script or style of the pages."""
    for folder in STATIC:
        if name in _files(folder):
            headers = {"Cache-Control": "private, max-age=60"}
            return Response((folder / name).read_bytes(), media_type=MEDIA_TYPES[Path(name).suffix], headers=headers)
    raise HTTPException(404, "Not Found")


def _files(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*") if path.suffix in MEDIA_TYPES}


def _sees_raw_rows(user: GetUserDep) -> bool:
    return access.may_trigger(user, *(system.dag_id for system in all_systems()))


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
