"""Features of batches: the rules, and the same bytes from Sail and from a JVM Spark Connect server."""

import hashlib
import math
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lumbung.spark import features
from support import batches

# Checksums of the features of the same activities, by version of the rules. Changed rules need a new version: then the
# feature file of each batch gets another name and is written again.
CHECKSUMS = {1: "495e7c547462cc4e"}

FULL = {
    "seq": 7,
    "student_id": "s",
    "course_id": "c",
    "rating": 5,
    "minutes": 60.0,
    "hour": 6,
    "device": "phone",
    "completed": True,
    "event_at": batches.BEGIN,
}
LACKING = {**FULL, **dict.fromkeys(("rating", "minutes", "hour", "device", "completed"))}


@pytest.fixture
def made(engine, tmp_path):
    """The features that an engine makes of activities."""

    def rows(*activities):
        frame = features.features(engine, [batches.write(activities, tmp_path / "batch.parquet")])
        assert features.write(frame, tmp_path / "features.parquet") == len(activities)
        return pq.read_table(tmp_path / "features.parquet").to_pylist()

    return rows


def test_an_activity_becomes_a_row_of_features(made):
    full, lacking = made(FULL, {**LACKING, "seq": 8})
    assert full.pop("strength") == pytest.approx(0.25 + 0.75 + 0.25 + 0.5)
    assert (full.pop("hour_sin"), full.pop("hour_cos")) == (1, 0)
    given = ("seq", "student_id", "course_id", "rating", "minutes", "device", "completed")
    assert full == {name: FULL[name] for name in given}
    assert lacking.pop("strength") == pytest.approx(0.25 + 0.45)
    assert {name for name, value in lacking.items() if value is not None} == {"seq", "student_id", "course_id"}


@pytest.mark.parametrize(
    ("stronger", "weaker"),
    [
        ({"rating": 4}, {"rating": 3}),
        ({"rating": 4}, {"rating": None}),
        ({"rating": None}, {"rating": 2}),
        ({"minutes": 61.0}, {"minutes": 60.0}),
        ({"minutes": 0.5}, {"minutes": None}),
        ({"completed": True}, {"completed": False}),
    ],
)
def test_more_stars_more_minutes_and_finishing_make_a_choice_stronger(made, stronger, weaker):
    strong, weak = made({**FULL, **stronger}, {**FULL, **weaker, "seq": 8})
    assert strong["strength"] > weak["strength"] > 0


def test_minutes_beyond_the_most_say_no_more(made):
    long, longer = made({**FULL, "minutes": 120.0}, {**FULL, "minutes": 1e6, "seq": 8})
    assert long["strength"] == longer["strength"] == pytest.approx(2)


def test_hours_are_a_circle(made):
    rows = made(*({**FULL, "seq": hour, "hour": hour} for hour in range(24)))
    for hour, row in enumerate(rows):
        angle = 2 * math.pi * hour / 24
        assert (row["hour_sin"], row["hour_cos"]) == pytest.approx((math.sin(angle), math.cos(angle)), abs=1e-9)


def test_both_engines_write_the_same_bytes_of_rows_in_any_order(sail, jvm, tmp_path):
    activities = list(batches.rows(0, 3000))
    # What a stream without seq gives.
    activities += [{**row, "seq": None} for row in batches.rows(3000, 100)]
    contents = set()
    for session in (sail, jvm):
        for dice in (None, random.Random(1)):
            rows = dice.sample(activities, len(activities)) if dice else activities
            files = [
                batches.write(part, tmp_path / f"{number}.parquet")
                for number, part in enumerate((rows[:1000], rows[1000:]))
            ]
            features.write(features.features(session, files), tmp_path / "features.parquet")
            contents.add((tmp_path / "features.parquet").read_bytes())
    assert len(contents) == 1
    table = pq.read_table(tmp_path / "features.parquet")
    # A failure here alone means that the rules have changed: raise FEATURES_VERSION.
    checksum = hashlib.sha256(repr(table.to_pylist()).encode()).hexdigest()
    assert CHECKSUMS[features.FEATURES_VERSION] == checksum[:16]


def test_the_file_is_typed_sorted_and_compressed(made, tmp_path):
    made(*({**LACKING, "seq": seq} for seq in (9, 100, 20)))
    file = pq.ParquetFile(tmp_path / "features.parquet")
    assert file.read()["seq"].to_pylist() == [9, 20, 100]
    assert file.schema_arrow.names == list(features.COLUMNS)
    assert file.metadata.row_group(0).column(0).compression == "ZSTD"
    types = {field.name: (field.type, field.nullable) for field in file.schema_arrow}
    assert types["strength"] == (pa.float64(), False)
    assert types["rating"] == (pa.float64(), True)
    assert types["completed"] == (pa.bool_(), True)


def test_a_batch_without_rows_gives_a_file_without_rows(made, tmp_path):
    assert made() == []
    assert pq.read_schema(tmp_path / "features.parquet").names == list(features.COLUMNS)
