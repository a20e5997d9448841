"""What the API takes and answers: checked while it is decoded, and described in the OpenAPI document.

Docstrings, limits and examples are those of the document.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

MAX_RATINGS = 1000
MAX_ITEMS = 100

Text = Annotated[str, Meta(min_length=1, max_length=200)]
CourseId = Annotated[Text, Meta(description="a course")]
StudentId = Annotated[Text, Meta(description="a student")]
Limit = Annotated[int, Meta(ge=1, le=MAX_ITEMS, description="how many items at most")]
Rating = Annotated[float, Meta(ge=1, le=5)]


class CourseRating(Struct, frozen=True, forbid_unknown_fields=True):
    """A course that somebody rated."""

    course_id: CourseId
    rating: Annotated[Rating, Meta(examples=[5])]


class Taste(Struct, frozen=True, forbid_unknown_fields=True):
    """Whom to recommend to: a student of the model by id, or anybody by ratings; one of the two."""

    ratings: Annotated[list[CourseRating], Meta(max_length=MAX_RATINGS)] | UnsetType = UNSET
    student_id: StudentId | UnsetType = UNSET
    limit: Limit = 10


class Activity(Struct, frozen=True, forbid_unknown_fields=True):
    """A student's activity in a course; what is left out or null counts as average."""

    minutes: Annotated[float, Meta(ge=0, le=1e6, examples=[31.5], description="minutes watched")] | None = None
    hour: Annotated[int, Meta(ge=0, le=23, examples=[20], description="hour of the day in Jakarta")] | None = None
    device: Annotated[Text, Meta(examples=["phone"])] | None = None
    rating: Rating | None = None


class StudentCourse(Struct, frozen=True, forbid_unknown_fields=True):
    """A student and a course."""

    student_id: StudentId
    course_id: CourseId


class LikeCourse(Struct, frozen=True, forbid_unknown_fields=True):
    """A course that others are to be like."""

    course_id: CourseId
    limit: Limit = 10


class Item(Struct, frozen=True):
    """A course and how well it fits: of the items of an answer the first fits best."""

    course_id: str
    title: str | None
    score: float


class Recommendation(Struct, frozen=True):
    """Courses for somebody, without those already rated or taken."""

    model: str
    generation: Annotated[int, Meta(description="the release that answered")]
    basis: Annotated[
        Literal["als", "popularity"],
        Meta(description="taste, or popularity where the model did not beat it or knows nothing of the student"),
    ]
    items: list[Item]
    ignored: Annotated[list[str], Meta(description="rated courses that the model does not know")]


class Similar(Struct, frozen=True):
    """Courses that the same students take."""

    model: str
    generation: int
    items: list[Item]


class Centre(Struct, frozen=True):
    """The middle of a cluster."""

    minutes: float
    hour: float
    rating: float
    devices: Annotated[dict[str, float], Meta(description="share of each device")]


class Cluster(Struct, frozen=True):
    """The group of activities that this one belongs to."""

    model: str
    generation: int
    cluster: Annotated[int, Meta(description="its number; 0 is the largest")]
    distance: Annotated[float, Meta(description="to the centre, in standard deviations")]
    description: Annotated[str, Meta(examples=["evening, phone, 45 min, rating 4.2"])]
    centre: Centre


class Completion(Struct, frozen=True):
    """Whether a student will complete the course."""

    model: str
    generation: int
    probability: Annotated[float, Meta(ge=0, le=1)]
    threshold: Annotated[float, Meta(ge=0, le=1, description="completed: the probability is at least this")]
    completed: bool


class ExpectedRating(Struct, frozen=True):
    """The rating that a student would give a course."""

    model: str
    generation: int
    rating: Rating


class MetricValue(Struct, frozen=True):
    """How well a model did on the batch after those it was trained on."""

    value: float
    baseline: Annotated[float, Meta(description="without a model: popularity, mean, base rate, one cluster")]
    truth: Annotated[float | None, Meta(description="by the probabilities that the data were made with, if known")]
    better: Literal["higher", "lower"]
    batch: int
    rows: int


class ModelSummary(Struct, frozen=True):
    """A model."""

    id: str
    scheme: Annotated[Literal["a", "b"], Meta(description="a: a batch alone; b: all batches up to the number")]
    number: int
    rows: Annotated[int, Meta(description="rows it was trained on")]
    batches: list[int]
    kinds: list[str]
    basis: Literal["als", "popularity"]
    latest: bool
    pruned: bool


class Models(Struct, frozen=True):
    """All models, by scheme and number."""

    generation: int
    by: Annotated[str, Meta(description="how the stream is cut into batches")]
    latest: Annotated[dict[str, str], Meta(description="the model that `<scheme>-latest` stands for")]
    models: list[ModelSummary]


class ModelAnswer(Struct, frozen=True):
    """A model and the release that it was read from."""

    generation: int
    model: ModelSummary


class Quality(Struct, frozen=True):
    """A model's metrics; none until the next batch exists."""

    model: str
    generation: int
    metrics: dict[str, MetricValue]


class ComparedMetric(Struct, frozen=True):
    """A metric of two models; null where a model has none."""

    better: Literal["higher", "lower"]
    left: MetricValue | None
    right: MetricValue | None
    winner: Annotated[
        Literal["left", "right", "same"] | None,
        Meta(description="null unless both were measured on the same batch: other rows, another scale"),
    ]


class Comparison(Struct, frozen=True):
    """Two models side by side."""

    generation: int
    left: ModelSummary
    right: ModelSummary
    metrics: dict[str, ComparedMetric]


class Drift(Struct, frozen=True):
    """The rows of `datamart.model_drift`: how the activity changes from batch to batch."""

    generation: int
    drift: list[dict[str, Any]]


class Health(Struct, frozen=True):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Readiness(Struct, frozen=True):
    """What is served."""

    generation: int
    models: int
    refused: Annotated[
        int | None, Meta(description="a newer release that was refused as its files are not whole; see the log")
    ]
    status: Literal["ready"] = "ready"
