"""Synthetic batches of activity, as files; students like some courses more than others."""

import random
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq

BEGIN = datetime(2026, 9, 1, tzinfo=UTC)
SCHEMA = pa.schema(
    [
        ("seq", pa.int64()),
        ("student_id", pa.string()),
        ("course_id", pa.string()),
        ("rating", pa.int64()),
        ("minutes", pa.float64()),
        ("hour", pa.int64()),
        ("device", pa.string()),
        ("completed", pa.bool_()),
        ("event_at", pa.timestamp("us", UTC)),
    ]
)
TASTES = 3


def rows(first, count, students=60, courses=30):
    """Activities from a seq on; a tenth of the values that may be missing is."""
    dice = random.Random(first)

    def maybe(value):
        return None if dice.random() < 0.1 else value

    for seq in range(first, first + count):
        student, course = dice.randrange(students), dice.randrange(courses)
        likes = student % TASTES == course % TASTES
        if not likes and dice.random() < 0.7:
            course, likes = course - course % TASTES + student % TASTES, True
        minutes = round(dice.uniform(20, 180) if likes else dice.uniform(0, 60), 1)
        hour = dice.randrange(24)
        yield {
            "seq": seq,
            "student_id": f"student-{student}",
            "course_id": f"course-{course % courses}",
            "rating": maybe(min(5, dice.randint(3, 5) if likes else dice.randint(1, 3))),
            "minutes": maybe(minutes),
            "hour": maybe(hour),
            "device": maybe(dice.choice(("laptop", "phone", "tablet"))),
            "completed": maybe(minutes + dice.uniform(-60, 60) > 70),
            "event_at": BEGIN + timedelta(minutes=seq),
        }


def write(activities, file):
    """Write a batch's file; gives its path as engines take it."""
    pq.write_table(pa.Table.from_pylist(list(activities), SCHEMA), file, compression="zstd")
    return f"{file}"
