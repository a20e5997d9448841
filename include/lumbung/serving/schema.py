"""Typed results: what the console, `--json`, the report page, pages and an API print.

They hold values and no sentences: each reader has its own words. `to_json()` gives plain values by field name.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from lumbung.serving.page_table import PageTable

FAILED = "failed: "
"""How the note of a step that failed begins."""


@dataclass(frozen=True)
class Result:
    """A result that is printed."""

    def to_json(self) -> dict[str, Any]:
        """The fields as values that JSON has; dates and times in ISO 8601."""
        return {each.name: _plain(getattr(self, each.name)) for each in fields(self)}


def _plain(value: Any) -> Any:
    match value:
        case Result():
            return value.to_json()
        case datetime.date():  # a datetime is one, too
            return value.isoformat()
        case list():
            return [_plain(item) for item in value]
        case _:
            return value


@dataclass(frozen=True)
class CategoryCount(Result):
    """A course category with its distinct students and its enrollments."""

    category_id: str
    name: str
    students: int
    enrollments: int


@dataclass(frozen=True)
class TopMentor(Result):
    """A mentor whose RANK by enrollments of all their courses is 3 or better."""

    rank: int
    mentor_id: str
    mentor_name: str
    enrollments: int


@dataclass(frozen=True)
class CityCount(Result):
    """A city with its students who take at least one course, its campus branches and their seats."""

    city: str
    students: int
    branches: int
    seats: int


@dataclass(frozen=True)
class EnrollmentAnswers(Result):
    """The answers to the three questions about enrollments; counts are by name, most first.

    `branches_per_city` is empty where the source of branches is missing.
    """

    day: datetime.date
    students_per_city: dict[str, int]
    students_per_category: dict[str, int]
    enrollments_per_category: dict[str, int]
    enrollments_per_mentor: dict[str, int]
    top_mentors: list[TopMentor]
    branches_per_city: list[CityCount]


@dataclass(frozen=True)
class DailyCount(Result):
    """The tweets of a Jakarta day that name an instrument."""

    date: datetime.date
    instrument: str
    tweets: int


@dataclass(frozen=True)
class HourlyCount(Result):
    """The tweets of an hour of the day in Jakarta, 0 to 23, that name an instrument."""

    hour: int
    instrument: str
    tweets: int


@dataclass(frozen=True)
class Author(Result):
    """A user whose RANK by tweets that name an instrument is 10 or better."""

    rank: int
    user_name: str
    tweets: int


@dataclass(frozen=True)
class TweetAnswers(Result):
    """The answers to the five questions about tweets: of those that name at least one instrument.

    Attributes:
        total_tweet: one that names several instruments counts once.
        total_by_instrument: it counts once for each of them, here and below.
        daily_by_instrument: no rows for days without tweets.
        hourly_by_instrument: over all days, all 24 hours of each instrument.
        most_active_authors: those with more than one tweet, up to rank 10 with all ties.
    """

    total_tweet: int
    total_by_instrument: dict[str, int]
    daily_by_instrument: list[DailyCount]
    hourly_by_instrument: list[HourlyCount]
    most_active_authors: list[Author]


@dataclass(frozen=True)
class Freshness(Result):
    """What a system's published tables were built from; `state` is `provisional` or `final`."""

    system: str
    published_day: datetime.date
    generation: int
    extracted_at: datetime.datetime
    published_at: datetime.datetime
    state: str


@dataclass(frozen=True)
class Accounting(Result):
    """Where the rows of one source and day went."""

    source: str
    day: datetime.date
    rows_read: int
    rows_loaded: int
    rows_rejected: int
    note: str = ""

    @property
    def balanced(self) -> bool:
        """Whether rows read = rows loaded + rows rejected."""
        return self.rows_read == self.rows_loaded + self.rows_rejected


@dataclass(frozen=True)
class CleanedDay(Result):
    """The rows of a day that were landed, and those that cleaning kept."""

    day: datetime.date
    rows_landed: int
    rows_clean: int

    @property
    def rows_dropped(self) -> int:
        """Repeats, edits, retweets, other languages; negative where edits moved rows here from another day."""
        return self.rows_landed - self.rows_clean


@dataclass(frozen=True)
class RejectedRow(Result):
    """A row that was not loaded, as the source had it; `line` is None where a source has no lines.

    `raw` is None for a reader who may not see it: it holds personal data.
    """

    source: str
    line: int | None
    raw: str | None
    reason: str


@dataclass(frozen=True)
class Finding(Result):
    """One thing that the doctor looked at.

    Attributes:
        name: what it is.
        ok: whether Lumbung can work with it.
        found: what is there; never a secret.
        remedy: what to do where it is not ok.
    """

    name: str
    ok: bool
    found: str
    remedy: str = ""


@dataclass(frozen=True)
class SpoolStatus(Result):
    """The spool's files: to ship, shipped, and those of lines that are not tweets."""

    files_to_ship: int
    files_shipped: int
    error_files: int


@dataclass(frozen=True)
class KafkaStatus(Result):
    """Where Kafka is and what of it is not landed.

    Attributes:
        address: its bootstrap servers; None: none are set and none run.
        topic: the topic of tweets.
        lag: offsets that are not landed; None: it could not be asked.
        problem: why it could not be asked.
    """

    address: str | None
    topic: str
    lag: int | None = None
    problem: str = ""


@dataclass(frozen=True)
class LakeStatus(Result):
    """The newest version of the tweets in the lake; `version` is None where nothing is landed yet."""

    rows_read: int = 0
    tweets: int = 0
    rejected: int = 0
    days: int = 0
    last_landed: datetime.datetime | None = None
    version: int | None = None


@dataclass(frozen=True)
class Publication(Result):
    """A version that a run published in one warehouse."""

    run_id: str
    version: int
    published_at: datetime.datetime


@dataclass(frozen=True)
class XStatus(Result):
    """How far the search of X has come, and what it cost.

    Attributes:
        has_token: whether a bearer token is set.
        month: the calendar month in Jakarta, YYYY-MM.
        usd_spent: in that month.
        usd_allowed: in a month.
        collected_up_to: every post up to this id is in the spool; None: none is.
        is_complete: whether the last search came to its end; one that was cut short goes on.
    """

    has_token: bool
    month: str
    usd_spent: float
    usd_allowed: float
    collected_up_to: int | None
    is_complete: bool


@dataclass(frozen=True)
class TweetStatus(Result):
    """Where tweets are: spool, Kafka, lake, warehouse; and what X has cost."""

    spool: SpoolStatus
    kafka: KafkaStatus
    lake: LakeStatus
    warehouse: list[Publication]
    x: XStatus


@dataclass(frozen=True)
class ModelQuality(Result):
    """A metric of a model, as `datamart.model_quality` has it; values are None until it is measured."""

    model_id: str
    scheme: str
    number: int
    training_count: int
    kind: str
    metric: str
    better: str
    batch: int | None
    measured_count: int | None
    value: float | None
    baseline: float | None
    truth: float | None
    ratio_to_baseline: float | None
    ratio_to_truth: float | None
    beats_baseline: bool | None
    served: str


@dataclass(frozen=True)
class ModelDrift(Result):
    """How a feature of a batch differs from the batch before, as `datamart.model_drift` has it."""

    batch: int
    batch_before: int | None
    feature: str
    row_count: int
    missing_count: int
    mean: float | None
    mean_before: float | None
    psi: float | None
    level: str | None


@dataclass(frozen=True)
class ModelAnswers(Result):
    """How good the models are, by kind, metric, number and scheme; and how the batches differ, by batch and feature."""

    quality: list[ModelQuality]
    drift: list[ModelDrift]


@dataclass(frozen=True)
class BatchStatus(Result):
    """A batch of the stream; `first_seq` and `last_seq` are None where rows are not numbered."""

    number: int
    rows: int
    rejected: int
    first_seq: int | None
    last_seq: int | None


@dataclass(frozen=True)
class ModelStatus(Result):
    """A trained model; `metrics` are by name, each with value, baseline, truth, batch and rows."""

    id: str
    scheme: str
    number: int
    rows: int
    batches: list[int]
    kinds: list[str]
    metrics: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class ModelsStatus(Result):
    """The newest batches of the stream, and the models that are trained on them."""

    batches: list[BatchStatus]
    models: list[ModelStatus]


@dataclass(frozen=True)
class Section:
    """A system's part of the report page.

    Attributes:
        label: what people call the system.
        heading: what the page is called where this part leads it, in Indonesian and in English.
        template: the Jinja template of the part, by its path under `lumbung/systems`; it reads `section.data`.
        data: what the template shows.
        tables: its tables, by a name that the template knows.
    """

    label: str
    heading: tuple[str, str]
    template: str
    data: object
    tables: Mapping[str, PageTable] = field(default_factory=dict)
