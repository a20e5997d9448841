"""Synthetic activity of any size: students take courses that are popular and to their taste.

The students and courses of the sample data come first, so that activity joins the other tables; more of both are made
up with the number of rows. Beside the dataset stands its truth: the probabilities it was drawn with.

Each event's student chooses one of `CANDIDATES` courses by the odds of the truth, and takes each course once. Tastes
are strong: with weak ones popularity alone is the best that can be learned. All is drawn in blocks, in each of which a
student has one event at most; what is kept of the past is a bit for each student and course, so memory stays flat.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lumbung import sources
from lumbung.catalog.contract import Catalog
from lumbung.core.day import JAKARTA
from lumbung.core.errors import LumbungError
from lumbung.core.settings import Settings
from lumbung.models.truth import Floats, Truth

Ints = NDArray[np.int64]

START = date(2026, 9, 1)
DAYS = 16  # its quarters are whole days
ROWS_PER_STUDENT = 60
MOST_STUDENTS, MOST_COURSES = 100_000, 2_000
BLOCK_ROWS = 4_096

CANDIDATES = 24
TASTES = 3  # dimensions
TASTE = 1.6
POPULARITY, TREND = 1.0, 0.3  # standard deviations
STUDENT_BIAS, COURSE_BIAS, RATING_NOISE = 0.5, 0.4, 0.7
RATING_MEAN, RATING_TASTE = 3.2, 0.3
COMPLETION = (0.2, 0.5, 1.1, -0.35, -0.2)

DEVICES = ["phone", "laptop", "tablet"]
DEVICE_ODDS = (-0.5, 0.4, 0.1)


class Habit(NamedTuple):
    """When and how some of the students learn.

    Attributes:
        share: of the students.
        hour: around which they learn, in Jakarta.
        devices: probabilities of `DEVICES`.
        minutes: median of what they watch.
    """

    share: float
    hour: float
    devices: tuple[float, float, float]
    minutes: float


HABITS = (
    Habit(0.45, 20.5, (0.85, 0.05, 0.10), 18),  # in the evening, on the phone
    Habit(0.35, 10.0, (0.08, 0.90, 0.02), 48),  # during the day, at a laptop
    Habit(0.20, 14.5, (0.15, 0.10, 0.75), 30),  # in the afternoon, on a tablet
)
# Courses that are made up: each title is a way of learning a topic, with a number.
WAYS = ["Dasar-dasar", "Praktik", "Studi kasus", "Kelas lanjut:", "Belajar", "Lokakarya", "Pengantar", "Proyek akhir:"]
TOPICS = [
    "analitik data", "rekayasa perangkat lunak", "pemasaran digital", "desain produk", "akuntansi", "bahasa Inggris",
    "keuangan pribadi", "fotografi", "kewirausahaan", "manajemen proyek", "menulis", "musik", "kecerdasan buatan",
    "keamanan siber", "komputasi awan", "bahasa Jepang", "memasak", "ilustrasi", "penyuntingan video", "statistika",
]  # fmt: skip


class Generated(NamedTuple):
    """What was written: the truth's file, and how many students and courses there are."""

    truth: Path
    students: int
    courses: int


def generate(
    settings: Settings,
    out: Path,
    *,
    rows: int,
    seed: int = 1,
    start: date = START,
    progress: Callable[[str, int, int], None] | None = None,
) -> Generated:
    """Write a dataset as NDJSON, and its truth to `<out>.truth.npz`; the same arguments give the same bytes.

    Both are written under temporary names first, so a killed run leaves what was there.

    Args:
        settings: where the sample data's students and courses are.
        out: the dataset.
        rows: how many events.
        seed: of all that is drawn.
        start: the first of the `DAYS` Jakarta days that events are of.
        progress: is given the file's name, its rows written so far, and all its rows.

    Raises:
        SourceError: the sample data's students or courses cannot be read.
        LumbungError: the files cannot be written, or `rows` is less than 1.
    """
    if rows < 1:
        raise LumbungError(f"{rows} rows", where="generate", remedy="ask for at least 1")
    truth, habits = _draw_truth(settings, rows, seed)
    beside = out.with_name(f"{out.name}.truth.npz")
    part, truth_part = (path.with_name(f".{path.name}.part") for path in (out, beside))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        try:
            truth_part.write_bytes(truth.write())
            with part.open("wb") as file:
                for done, content in _events(truth, habits, rows, seed, start):
                    file.write(content)
                    if progress:
                        progress(out.name, done, rows)
            truth_part.replace(beside)
            part.replace(out)
        finally:
            part.unlink(missing_ok=True)
            truth_part.unlink(missing_ok=True)
    except OSError as error:
        raise LumbungError(
            f"the dataset cannot be written ({error.strerror})",
            where=str(error.filename or out),
            remedy="give a file in a folder that can be written, with room for 300 bytes a row",
        ) from error
    return Generated(beside, len(truth.student_ids), len(truth.course_ids))


def _draw_truth(settings: Settings, rows: int, seed: int) -> tuple[Truth, Ints]:
    """The truth, and each student's habit."""
    random = np.random.default_rng([seed, 0])
    known_students = [row["id"] for row in _sample(settings, "staging.student")]
    known_courses = [(row["id"], row["title"]) for row in _sample(settings, "staging.course")]
    students = min(MOST_STUDENTS, max(len(known_students), rows // ROWS_PER_STUDENT))
    courses = min(MOST_COURSES, max(len(known_courses), math.isqrt(2 * rows)))
    student_ids = known_students[:students] + _ids(random, students - len(known_students))
    course_ids = [course for course, _ in known_courses[:courses]] + _ids(random, courses - len(known_courses))
    titles = [title for _, title in known_courses[:courses]]
    titles += [
        f"{random.choice(WAYS)} {random.choice(TOPICS)} {number}" for number in range(len(titles) + 1, courses + 1)
    ]
    truth = Truth(
        student_ids=student_ids,
        course_ids=course_ids,
        titles=titles,
        devices=DEVICES,
        student_tastes=random.normal(size=(students, TASTES)),
        course_tastes=random.normal(size=(courses, TASTES)) / np.sqrt(TASTES),
        course_popularity=random.normal(0, POPULARITY, courses),
        course_trend=random.normal(0, TREND, courses),
        taste=np.array(TASTE),
        rating_mean=np.array(RATING_MEAN),
        rating_taste=np.array(RATING_TASTE),
        rating_noise=np.array(RATING_NOISE),
        student_bias=random.normal(0, STUDENT_BIAS, students),
        course_bias=random.normal(0, COURSE_BIAS, courses),
        completion_odds=np.array(COMPLETION),
        device_odds=np.array(DEVICE_ODDS),
    )
    habits = random.choice(len(HABITS), students, p=[habit.share for habit in HABITS])
    return truth, habits


def _sample(settings: Settings, address: str) -> list[dict[str, str]]:
    """The rows of one of the sample data's sources, in its order."""
    batches = sources.read(Catalog()[address], data_source=settings.data_source, dsn=None)
    return [row for batch in batches for row in batch.rows.to_pylist()]


def _ids(random: np.random.Generator, count: int) -> list[str]:
    """UUIDs in capitals, as the sample data has them."""
    digits = random.bytes(16 * max(count, 0)).hex().upper()
    ids = (digits[start : start + 32] for start in range(0, len(digits), 32))
    return [f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}" for text in ids]


def _events(truth: Truth, habits: Ints, rows: int, seed: int, first: date) -> Iterator[tuple[int, bytes]]:
    """The lines of the dataset, block by block, with how many rows are written then."""
    random = np.random.default_rng([seed, 1])
    students, courses = len(truth.student_ids), len(truth.course_ids)
    taken = np.zeros((students, courses // 8 + 1), np.uint8)  # a bit for each course
    step = max(1, min(BLOCK_ROWS, students // 8))
    for start in range(0, rows, step):
        count = min(step, rows - start)
        moments, hours = _moments(start, count, rows, random)
        student = _students(random, habits, count, float(hours[count // 2]))
        course = _choices(truth, taken, student, (start + count / 2) / rows, random)
        yield start + count, _lines(truth, habits, first, start, rows, student, course, moments, hours, random)


def _moments(start: int, count: int, rows: int, random: np.random.Generator) -> tuple[Ints, Ints]:
    """Milliseconds from the first day's start of each event, rising, and the hour in Jakarta; most in the evening."""
    hourly = sum(habit.share * _closeness(np.arange(24), habit.hour) for habit in HABITS)
    until = np.concatenate([[0.0], np.cumsum(np.tile(hourly, DAYS))])
    share = (start + np.arange(count) + random.random(count)) / rows
    at = np.interp(share * until[-1], until, np.arange(24 * DAYS + 1))
    moments = np.minimum((at * 3_600_000).astype(np.int64), DAYS * 86_400_000 - 1)
    return moments, moments // 3_600_000 % 24


def _closeness(hour: Floats | Ints, habit: float) -> Floats:
    """How likely somebody learns at an hour whose habit is another one."""
    return np.asarray(0.03 + np.exp(3 * (np.cos((hour + 0.5 - habit) * np.pi / 12) - 1)))


def _students(random: np.random.Generator, habits: Ints, count: int, hour: float) -> Ints:
    """Students without repeat, those before others whose habit the hour is."""
    odds = np.log([float(_closeness(np.array(hour), habit.hour)) for habit in HABITS])[habits]
    keys = odds + random.gumbel(size=len(habits))
    return np.argsort(-keys, kind="stable")[:count]


def _choices(truth: Truth, taken: NDArray[np.uint8], student: Ints, share: float, random: np.random.Generator) -> Ints:
    """The course of each student, and marks it as taken.

    A student whose candidates are all taken takes one of them again.

    Args:
        truth: the odds.
        taken: a bit for each student and course.
        student: no student twice.
        share: how much of the stream is over.
        random: what is drawn from.
    """
    candidates = random.integers(len(truth.course_ids), size=(len(student), CANDIDATES))
    match = np.einsum("nct,nt->nc", truth.course_tastes[candidates], truth.student_tastes[student])
    odds = truth.course_popularity + truth.course_trend * (share - 0.5)
    keys = odds[candidates] + truth.taste * match + random.gumbel(size=candidates.shape)
    is_taken = taken[student[:, None], candidates >> 3] >> (candidates & 7) & 1
    best = np.argmax(keys - 1e6 * is_taken, axis=1)
    course = np.take_along_axis(candidates, best[:, None], axis=1)[:, 0]
    taken[student, course >> 3] |= (1 << (course & 7)).astype(np.uint8)
    return np.asarray(course)


def _lines(
    truth: Truth,
    habits: Ints,
    day: date,
    start: int,
    rows: int,
    student: Ints,
    course: Ints,
    moments: Ints,
    hours: Ints,
    random: np.random.Generator,
) -> bytes:
    count = len(student)
    share = (start + count / 2) / rows
    location = truth.rating_location(student, course)
    rating = np.clip(np.rint(location + random.normal(0, RATING_NOISE, count)), 1, 5)
    # Over the days some change from a laptop to the phone, and sessions become shorter.
    shares = np.array([habit.devices for habit in HABITS])
    shares[:, 0] += 0.4 * share * shares[:, 1]
    shares[:, 1] *= 1 - 0.4 * share
    device = (random.random(count)[:, None] > np.cumsum(shares, axis=1)[habits[student]]).sum(axis=1)
    device = np.minimum(device, len(DEVICES) - 1)
    median = np.array([habit.minutes for habit in HABITS])[habits[student]] * (1 - 0.2 * share)
    minutes = np.round(median * np.exp(0.08 * (location - 3.5) + random.normal(0, 0.45, count)), 1)
    angle = hours * np.pi / 12
    completion = truth.completion_probability(rating, minutes, np.sin(angle), np.cos(angle), device)
    completed = random.random(count) < completion
    columns = zip(
        *(values.tolist() for values in (student, course, rating.astype(int), minutes, hours, device)),
        *(values.tolist() for values in (completed, moments)),
        strict=True,
    )
    first = datetime.combine(day, time(), JAKARTA).astimezone(UTC)
    return "".join(
        f'{{"student_id":"{truth.student_ids[s]}","course_id":"{truth.course_ids[c]}","rating":{r},"minutes":{m},'
        f'"hour":{h},"device":"{DEVICES[d]}","completed":{"true" if done else "false"},"event_time":'
        f'"{(first + timedelta(milliseconds=at)).isoformat(timespec="milliseconds")[:-6]}Z","seq":{seq}}}\n'
        for seq, (s, c, r, m, h, d, done, at) in enumerate(columns, start)
    ).encode()
