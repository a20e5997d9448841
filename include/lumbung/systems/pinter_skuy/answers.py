"""The answers to the three questions, from what is published."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import urlencode

from lumbung.catalog.contract import Catalog
from lumbung.core.errors import LumbungError
from lumbung.core.settings import Settings
from lumbung.pipeline import snapshot
from lumbung.report import Accounting, CategoryCount, Freshness, RejectedRow, ReportData, TopMentor
from lumbung.storage.client_errors import MissingError
from lumbung.storage.lake import Lake
from lumbung.storage.warehouse import Warehouse
from lumbung.systems.cilvest import answers as tweet_answers
from lumbung.systems.cilvest import status as tweet_status

SYSTEM, TWEETS = "pinter_skuy", "cilvest"
UNKNOWN = "(unknown)"
REJECTS_READ = 1_000


@dataclass(frozen=True)
class Answers:
    """What `lumbung answers --json` prints; counts are by name, most first."""

    day: date
    students_per_city: dict[str, int]
    students_per_category: dict[str, int]
    enrollments_per_category: dict[str, int]
    enrollments_per_mentor: dict[str, int]
    top_mentors: list[dict[str, Any]]

    def to_json(self) -> dict[str, Any]:
        """The one JSON object."""
        return {**asdict(self), "day": f"{self.day}"}


def answers(warehouse: Warehouse) -> Answers:
    """Read the answers.

    Raises:
        LumbungError: nothing is published yet.
    """
    newest = _freshness(warehouse)[0]
    if newest.system != SYSTEM:
        raise LumbungError(
            "no enrollments are published yet",
            where=warehouse.table("datamart.freshness"),
            remedy="run a day: lumbung run; what is known of tweets, lumbung tweets answers prints",
        )
    return Answers(
        day=newest.published_day,
        students_per_city=dict(_cities(warehouse)),
        students_per_category=_named(
            (row["course_category_id"], row["course_type"], row["student_count"]) for row in _categories(warehouse)
        ),
        enrollments_per_category=_named(
            (row["course_category_id"], row["course_type"], row["enrollment_count"]) for row in _categories(warehouse)
        ),
        enrollments_per_mentor=dict(_mentors(warehouse)),
        top_mentors=[asdict(mentor) for mentor in _top_mentors(warehouse)],
    )


def report_data(warehouse: Warehouse, lake: Lake, settings: Settings) -> ReportData:
    """All that the report page shows.

    Raises:
        LumbungError: nothing is published yet.
    """
    freshness = _freshness(warehouse)
    day = freshness[0].published_day
    systems = {one.system for one in freshness}
    courses, accounts = SYSTEM in systems, []
    if courses:
        accounts += accounting(lake, day)
    if TWEETS in systems:
        accounts.append(Accounting("tweet (Kafka)", day, *tweet_status.accounting(lake)[0]))
    return ReportData(
        day=day,
        generated_at=datetime.now(UTC),
        looker_url=looker_url(settings) if settings.project else None,
        project=settings.project,
        # The page has its own words for what has no name.
        students_per_city=[
            ("" if city == UNKNOWN else city, count) for city, count in (_cities(warehouse) if courses else ())
        ],
        categories=[
            CategoryCount(row["course_type"] or "", row["student_count"], row["enrollment_count"])
            for row in (_categories(warehouse) if courses else ())
        ],
        top_mentors=_top_mentors(warehouse) if courses else [],
        enrollments_per_mentor=_mentors(warehouse) if courses else [],
        freshness=freshness,
        accounting=accounts,
        rejects=_rejects(warehouse, day, with_tweets=TWEETS in systems),
        daily=_daily(warehouse) if courses else [],
        tweets=tweet_answers.answers(warehouse) if TWEETS in systems else None,
        courses=courses,
    )


def _daily(warehouse: Warehouse) -> list[tuple[date, str, int]]:
    rows = _rows(
        warehouse,
        "SELECT snapshot_date, course_type, SUM(enrollments) AS enrollments FROM {0}"
        " GROUP BY snapshot_date, course_type",
        "datamart.course_enrollment_daily",
    )
    return [(row["snapshot_date"], row["course_type"] or "", row["enrollments"]) for row in rows]


def accounting(lake: Lake, day: date) -> list[Accounting]:
    """Where each source's rows of a day went: read = loaded + rejected."""
    version = snapshot.version_of(lake, SYSTEM, day)
    sources = {one.table: one.source.label for one in Catalog().sources(SYSTEM) if one.source}
    if version is None:
        return []
    return [
        Accounting(sources.get(name, name), day, one.rows_read, one.file.rows, one.rows_rejected, one.note)
        for name, one in version.members.items()
    ]


def looker_url(settings: Settings) -> str:
    """A link that opens a new Looker Studio report over the summary table, by the Linking API.

    Parameters as in https://developers.google.com/looker-studio/integrate/linking-api.
    """
    return "https://lookerstudio.google.com/reporting/create?" + urlencode(
        {
            "c.mode": "edit",
            "r.reportName": "Lumbung: pinter-skuy",
            "ds.ds0.connector": "bigQuery",
            "ds.ds0.type": "TABLE",
            "ds.ds0.projectId": settings.project_id,
            "ds.ds0.datasetId": f"{settings.dataset_prefix}datamart",
            "ds.ds0.tableId": "course_enrollment_summary",
            "ds.ds0.datasourceName": "course_enrollment_summary",
        }
    )


def _rows(warehouse: Warehouse, sql: str, *addresses: str) -> list[dict[str, Any]]:
    names = [f"`{warehouse.table(address)}`" for address in addresses]
    try:
        rows: list[dict[str, Any]] = warehouse.rows(sql.format(*names)).to_pylist()
    except MissingError as error:
        raise LumbungError(
            "nothing is published yet", where=warehouse.dataset("datamart"), remedy="run a day first: lumbung run"
        ) from error
    return rows


def _freshness(warehouse: Warehouse) -> list[Freshness]:
    rows = _rows(
        warehouse,
        f"SELECT * FROM {{0}} ORDER BY system <> '{SYSTEM}', system",
        "datamart.freshness",
    )
    if not rows:
        raise LumbungError(
            "nothing is published yet", where=warehouse.table("datamart.freshness"), remedy="run a day: lumbung run"
        )
    return [Freshness(**row) for row in rows]


def _cities(warehouse: Warehouse) -> list[tuple[str, int]]:
    rows = _rows(
        warehouse,
        "SELECT city, student_count FROM {0} ORDER BY student_count DESC, city",
        "datamart.student_count_by_city",
    )
    return [(row["city"], row["student_count"]) for row in rows]


def _categories(warehouse: Warehouse) -> list[dict[str, Any]]:
    return _rows(warehouse, "SELECT * FROM {0} ORDER BY course_category_id", "datamart.student_count_by_category")


def _mentors(warehouse: Warehouse) -> list[tuple[str, int]]:
    rows = _rows(
        warehouse,
        "SELECT mentor_id, mentor_name, COUNT(*) AS enrollments FROM {0} GROUP BY mentor_id, mentor_name",
        "datamart.course_enrollment_summary",
    )
    return list(_named((row["mentor_id"], row["mentor_name"], row["enrollments"]) for row in rows).items())


def _top_mentors(warehouse: Warehouse) -> list[TopMentor]:
    rows = _rows(warehouse, "SELECT * FROM {0} ORDER BY rank, mentor_name, mentor_id", "datamart.top_mentor")
    return [
        TopMentor(row["rank"], row["mentor_id"], _known(row["mentor_name"]), row["enrollment_count"]) for row in rows
    ]


def _rejects(warehouse: Warehouse, day: date, *, with_tweets: bool) -> list[RejectedRow]:
    """Those of the day's enrollments, and those of tweets of all days, as tweets are counted."""
    tweets = f" OR system = '{TWEETS}'" if with_tweets else ""
    rows = _rows(
        warehouse,
        f"SELECT entity, line, raw, reason FROM {{0}} WHERE system = '{SYSTEM}' AND snapshot_date = '{day}'{tweets}"
        f" ORDER BY entity, line LIMIT {REJECTS_READ}",
        "staging.rejected_row",
    )
    return [RejectedRow(row["entity"], row["line"], row["raw"] or "", row["reason"]) for row in rows]


def _known(name: str | None) -> str:
    return name if name and name.strip() else UNKNOWN


def _named(counts: Iterable[tuple[str, str | None, int]]) -> dict[str, int]:
    """Counts by name, none of zero; of ids that share a name the first is bare, the others `Name (id)`."""
    named: dict[str, int] = {}
    for identity, name, count in sorted(counts, key=lambda one: one[0]):
        if count:
            shown = _known(name)
            while shown in named:
                shown = f"{shown} ({identity})"
            named[shown] = count
    return dict(sorted(named.items(), key=lambda item: (-item[1], item[0])))
