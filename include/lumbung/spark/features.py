"""A batch's features out of its activities: one DataFrame code for Sail, a Spark Connect server and Dataproc."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

# Part of a feature file's name, so that every batch gets others by other rules. A test fails when it must be raised.
FEATURES_VERSION = 1

COLUMNS = (
    "seq",
    "student_id",
    "course_id",
    "strength",
    "rating",
    "minutes",
    "hour_sin",
    "hour_cos",
    "device",
    "completed",
)
_HOURS = 24
# Who took a course wants it; how much, the row says: by its stars, the minutes watched (more than these say no more)
# and whether the course was finished. What a row lacks counts as middling stars, no minutes, not finished.
LEAST, OF_RATING, OF_MINUTES, OF_COMPLETED = 0.25, 0.75, 0.5, 0.5
MIDDLING_RATING, MOST_RATING, MOST_MINUTES = 3, 5, 120.0


def features(session: SparkSession, files: Sequence[str]) -> DataFrame:
    """The features of activities, in no order; a row for each.

    Args:
        session: a session of any engine.
        files: batches' Parquet files, as the engine reaches them: paths or `gs://` addresses.

    Returns:
        `COLUMNS`. `strength`, 0.4 to 2, is the implicit weight of the student's choice of the course; `hour_sin` and
        `hour_cos` are the hour of the day on a circle, so that 23 is next to 0. What a row lacks stays null.
    """
    from pyspark.sql import functions as f

    def or_else(column: str, default: float) -> Column:
        return f.coalesce(f.col(column).cast("double"), f.lit(float(default)))

    strength = (
        f.lit(LEAST)
        + f.lit(OF_RATING / MOST_RATING) * or_else("rating", MIDDLING_RATING)
        + f.lit(OF_MINUTES / MOST_MINUTES) * f.least(or_else("minutes", 0), f.lit(MOST_MINUTES))
        + f.lit(OF_COMPLETED) * or_else("completed", 0)
    )
    return session.read.parquet(*files).select(
        "seq",
        "student_id",
        "course_id",
        strength.alias("strength"),
        f.col("rating").cast("double").alias("rating"),
        "minutes",
        _on_circle(math.sin).alias("hour_sin"),
        _on_circle(math.cos).alias("hour_cos"),
        "device",
        "completed",
    )


def _on_circle(function: Callable[[float], float]) -> Column:
    """A function of the hour's angle, from a table: engines differ in the last digit of sines."""
    from pyspark.sql import functions as f

    values = [f.lit(round(function(2 * math.pi * hour / _HOURS), 12)) for hour in range(_HOURS)]
    return f.get(f.array(*values), f.col("hour").cast("int"))


def write(frame: DataFrame, file: Path) -> int:
    """Write features as one zstd Parquet file, sorted by seq: the same bytes from every engine, in any order of rows.

    The batch's rows are held in memory, some 100 bytes each.

    Args:
        frame: what `features` returned.
        file: a local file, written or replaced.

    Returns:
        The number of rows.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema(
        [
            ("seq", pa.int64()),
            pa.field("student_id", pa.string(), nullable=False),
            pa.field("course_id", pa.string(), nullable=False),
            pa.field("strength", pa.float64(), nullable=False),
            ("rating", pa.float64()),
            ("minutes", pa.float64()),
            ("hour_sin", pa.float64()),
            ("hour_cos", pa.float64()),
            ("device", pa.string()),
            ("completed", pa.bool_()),
        ]
    )
    # A stream of other producers may have no seq: then the other columns make one order.
    table = frame.toArrow().cast(schema).sort_by([(name, "ascending") for name in schema.names])
    pq.write_table(table, file, compression="zstd")
    return int(table.num_rows)
