"""Make one answer for a page, and print it: `python -m lumbung_airflow.pages.answer NAME OPTIONS SIGNATURE`.

NAME is that of a function in `MAKERS`, OPTIONS are its arguments as JSON, SIGNATURE is that of the answer that the API
server has, or empty. It prints a line of JSON and the body: `signature`, `media_type` and `facts`; or `same`, where the
lake is as it was; or `problem`.
"""

from __future__ import annotations

import hashlib
import json
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lumbung.core import settings
from lumbung.core.errors import LumbungError, UnknownError
from lumbung.storage.lake import Lake, open_lake

if TYPE_CHECKING:
    from lumbung.core.settings import Settings
    from lumbung.report.data import ReportData
    from lumbung.report.run_data import RunData
    from lumbung.storage.warehouse import Warehouse

AUDIT_DAYS = 30  # whose records are looked at before an answer is made again: those that the catalogue shows
HTML, JSON, CSV = "text/html; charset=utf-8", "application/json", "text/csv; charset=utf-8"
TIMES = ("started_at", "ended_at")
# Should the API server be killed, this ends by itself.
LIFE_SECONDS = 60
# A warehouse that refuses a request is tried again for so long: less than a reader waits.
RETRY_SECONDS = 3


@dataclass(frozen=True)
class Made:
    """A body, its media type, and what a page says of it beside."""

    body: str
    media_type: str
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Place:
    """Where answers are made from."""

    settings: Settings
    lake: Lake

    @cached_property
    def warehouse(self) -> Warehouse:
        """The warehouse; what it was asked once it is not asked again.

        Airflow's connection, which takes seconds to import, is for where the machine has no credentials of its own.
        """
        from lumbung.serving.read_once import ReadOnce
        from lumbung.storage.client_errors import DeniedError

        try:
            warehouse = ReadOnce(self.settings)
        except DeniedError:
            from lumbung_airflow.connections import google_credentials

            warehouse = ReadOnce(self.settings, google_credentials)
        warehouse.retry = warehouse.retry.with_timeout(RETRY_SECONDS)
        return warehouse


@dataclass(frozen=True)
class Maker:
    """How an answer is made.

    Attributes:
        make: makes it.
        signature: names what it is made from; cheap.
    """

    make: Callable[..., Made]
    signature: Callable[..., str]


def published_state(place: Place, **options: Any) -> str:
    """Names what is published, what is being published, and the rejects of the days that are published."""
    return _sum(
        [
            f"{options}",
            *(f"{path} {content!r}" for path, content in _published_documents(place.lake)),
        ]
    )


def _published_documents(lake: Lake) -> Iterator[tuple[str, bytes | None]]:
    days = set()
    for warehouse in lake.names("state"):
        for system in lake.names(f"state/{warehouse}"):
            for name in ("published", "pending"):
                path = f"state/{warehouse}/{system}/{name}.json"
                if content := lake.read(path):
                    yield path, content
                    days |= {json.loads(content)["day"]} if name == "published" else set()
    # A run whose sources are refused publishes nothing, and its rejects are shown all the same.
    for day in sorted(days):
        for run in lake.names(f"audit/dt={day}"):
            path = f"audit/dt={day}/{run}/rejected_row.json"
            yield path, lake.read(path)


def report(place: Place, *, raw: bool, live: bool) -> Made:
    """The report page.

    Args:
        place: where it is made from.
        raw: whether rejected rows are shown as the source had them.
        live: whether it is a page under `/lumbung`; else a file that needs no other.
    """
    from lumbung.report import render

    data = _report_data(place, raw=raw)
    return Made(render(data, live=live), HTML, _facts(data))


def report_data(place: Place, *, raw: bool) -> Made:
    """What the report says, as JSON: the answers of every system that is published, and where all rows went."""
    from lumbung.systems.registry import system

    data = _report_data(place, raw=raw)
    content = {
        "day": f"{data.day}",
        "freshness": [row.to_json() for row in data.freshness],
        "answers": {row.system: system(row.system).answers(place.warehouse).to_json() for row in data.freshness},
        "accounting": [row.to_json() for row in data.accounting],
        "rejects": [row.to_json() for row in data.rejects],
    }
    return Made(json.dumps(content, ensure_ascii=False), JSON, _facts(data))


def table(place: Place, *, table: str, offset: int) -> Made:
    """Rows of one of the report's tables, of which the page has the first: a page of them, as JSON.

    Args:
        place: where it is made from.
        table: its name.
        offset: the first row, from 0.
    """
    from lumbung.report import rows

    return Made(json.dumps(rows(_report_data(place, raw=False), table, offset), ensure_ascii=False), JSON)


def drill(place: Place, *, system: str, by: str, value: str, offset: int, csv: bool, raw: bool) -> Made:
    """The rows behind a number of the report: a page of them as JSON, or all as CSV.

    Args:
        place: where it is made from.
        system: the system's name.
        by: the column by whose value they are found.
        value: the value.
        offset: the first row, from 0.
        csv: whether as CSV.
        raw: whether the reader may see rows that name people.
    """
    from lumbung.serving import drill
    from lumbung.serving.spreadsheet import csv_text
    from lumbung.systems import registry

    limit = drill.ROWS_AT_MOST if csv else drill.ROWS_OF_PAGE
    start = 0 if csv else offset
    found = drill.rows(place.warehouse, registry.system(system), by, value, limit, start, raw=raw)
    if csv:
        return Made(csv_text(found.columns, found.rows), CSV)
    return Made(json.dumps(found.to_json(), ensure_ascii=False), JSON)


def _report_data(place: Place, *, raw: bool) -> ReportData:
    from lumbung.report.data import collect

    data = collect(place.warehouse, place.lake, place.settings)
    return data if raw else data.without_raw_rows()


def run_signature(place: Place, **options: Any) -> str:
    """Names what the tasks of all of the day's runs have recorded, what Airflow knows, what is published, the queries.

    A stream's rejects are those of the day, whichever run landed them.
    """
    recorded = _recorded(place.lake, [f"dt={options['day']}"])
    return _sum([published_state(place, **options), *recorded, *_queries()])


def _recorded(lake: Lake, days: Iterable[str]) -> list[str]:
    """Names what tasks have recorded: a task that is tried again writes the same file."""
    return [f"{file.path} {file.bytes} {file.modified}" for day in days for file in lake.files(f"audit/{day}")]


def _queries() -> list[str]:
    """Names the contracts and queries."""
    from lumbung.catalog.contract import SQL_ROOT

    return [f"{path} {path.stat().st_mtime_ns}" for path in sorted(SQL_ROOT.glob("*/*"))]


def run(place: Place, *, raw: bool, **known: Any) -> Made:
    """The page of a run.

    Args:
        place: where it is made from.
        raw: whether rejected rows are shown as the source had them.
        known: what Airflow knows of the run, see `AirflowRun`.
    """
    from lumbung.report import run_page

    # Its address is /lumbung/run/DAG/RUN.
    return Made(run_page.render(_run_data(place, raw, known), root="../../"), HTML)


def run_data(place: Place, *, raw: bool, **known: Any) -> Made:
    """What the page of a run shows, as JSON."""
    content = _run_data(place, raw, known).to_json()
    return Made(json.dumps(content, ensure_ascii=False), JSON)


def _run_data(place: Place, raw: bool, known: Mapping[str, Any]) -> RunData:
    from lumbung.report.run_data import AirflowRun, collect

    times = {name: datetime.fromisoformat(text) if (text := known[name]) else None for name in TIMES}
    run = AirflowRun(**{**known, **times, "day": date.fromisoformat(known["day"])})
    return collect(place.lake, place.settings, run, raw=raw)


def catalogue_signature(place: Place, **options: Any) -> str:
    """Names what is published, which tasks of the last days have recorded what they did, and contracts and queries."""
    recorded = _recorded(place.lake, place.lake.names("audit")[-AUDIT_DAYS:])
    return _sum([published_state(place, **options), *recorded, *_queries()])


def catalogue(place: Place, *, address: str) -> Made:
    """A page of the catalogue.

    Args:
        place: where it is made from.
        address: the table; empty: the list of all.
    """
    from lumbung.catalogue import page

    return Made(page(place.warehouse, place.settings, address or None), HTML)


def catalogue_data(place: Place) -> Made:
    """What the catalogue says, as JSON."""
    from lumbung.catalogue import data

    return Made(json.dumps(data(place.warehouse, place.settings), ensure_ascii=False), JSON)


def _facts(data: ReportData) -> dict[str, Any]:
    leading = data.freshness[0]
    return {
        "day": f"{leading.published_day}",
        "generation": leading.generation,
        "published_at": leading.published_at.isoformat(),
    }


MAKERS = {
    "report": Maker(report, published_state),
    "report_data": Maker(report_data, published_state),
    "table": Maker(table, published_state),
    "drill": Maker(drill, published_state),
    "run": Maker(run, run_signature),
    "run_data": Maker(run_data, run_signature),
    "catalogue": Maker(catalogue, catalogue_signature),
    "catalogue_data": Maker(catalogue_data, catalogue_signature),
}


def answer(name: str, options: Mapping[str, Any], known: str) -> tuple[dict[str, Any], str]:
    """The header and the body that are printed.

    Args:
        name: what is asked.
        options: its arguments.
        known: the signature of the answer that the API server has; empty: it has none.
    """
    maker = MAKERS[name]
    try:
        loaded = settings.load()
        place = Place(loaded, open_lake(loaded))
        signature = maker.signature(place, **options)
        if signature == known:
            return {"same": True}, ""
        made = maker.make(place, **options)
    except LumbungError as error:
        problem = {"what": error.what, "where": error.where, "remedy": error.remedy}
        return {"problem": {**problem, "is_unknown": isinstance(error, UnknownError)}}, ""
    return {"signature": signature, "media_type": made.media_type, "facts": made.facts}, made.body


def _sum(lines: list[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def main() -> None:
    """Print what is asked on the command line."""
    signal.alarm(LIFE_SECONDS)
    name, options, known = sys.argv[1:]
    header, body = answer(name, json.loads(options), known)
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    sys.stdout.write(f"{json.dumps(header)}\n{body}")


if __name__ == "__main__":
    main()
