"""A day's clean tweets out of its raw ones: one DataFrame code for Sail, a Spark Connect server and Dataproc."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from lumbung.core.day import JAKARTA
from lumbung.spark import text

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

# Part of a clean file's name, so that every day is cleaned again by other rules. A test fails when it must be raised.
CLEANER_VERSION = 1

_RAW = ("identity", "edit_id", "collected_at", "created_at", "user_name", "lang", "is_retweet", "text", "sha256")
_INDONESIAN = ("in", "id")
_UNDETERMINED = ("und", "")


def clean_day(session: SparkSession, files: Sequence[str], day: date) -> DataFrame:
    """The clean tweets of a day, in no order.

    Each tweet is there once: of its versions the one with the highest edit id, else that collected last, else that
    whose sha256 is the greatest. Then retweets and what is not Indonesian go, by what the chosen version says: an edit
    may have made the tweet either. (A retweet has an id of its own, so no tweet goes with its retweets.)

    Args:
        session: a session of any engine.
        files: the raw Parquet files, as the engine reaches them: paths or `gs://` addresses. Files of other days may be
            among them: a version of another day counts when one is chosen, but only tweets whose chosen version is of
            `day` are returned. So a tweet that was edited over midnight is in one day only if both days get both
            days' files.
        day: the Jakarta date.

    Returns:
        The columns of `staging.tweet`: tweet_id, created_at, tweet_date, user_name, tweet, language (always `id`),
        instruments.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as f

    begin = datetime.combine(day, time(), JAKARTA)
    newest = Window.partitionBy("identity").orderBy(f.desc("edit_id"), f.desc("collected_at"), f.desc("sha256"))
    lang = f.lower("lang")
    return (
        session.read.parquet(*files)
        .select(*_RAW)
        .withColumn("place", f.row_number().over(newest))
        .where(f.col("place") == 1)
        .where((f.col("created_at") >= f.lit(begin)) & (f.col("created_at") < f.lit(begin + timedelta(days=1))))
        .where(~f.col("is_retweet") & (lang.isNull() | lang.isin(*_INDONESIAN, *_UNDETERMINED)))
        .select(
            "identity",
            "created_at",
            f.lit(day).alias("tweet_date"),
            "user_name",
            "text",
            f.coalesce(lang.isin(*_INDONESIAN), f.lit(False)).alias("known"),
        )
        .mapInArrow(
            _clean,
            "tweet_id long, created_at timestamp, tweet_date date, user_name string, tweet string, language string,"
            " instruments array<string>",
        )
    )


def _clean(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa
    import pyarrow.compute as pc

    for batch in batches:
        texts = text.clean(batch["text"])
        unknown = pc.invert(batch["known"])
        detected = pa.array(map(text.is_indonesian, texts.filter(unknown).to_pylist()), pa.bool_())
        yield pa.RecordBatch.from_pydict(
            {
                "tweet_id": batch["identity"].cast(pa.int64()),
                "created_at": batch["created_at"],
                "tweet_date": batch["tweet_date"],
                "user_name": batch["user_name"],
                "tweet": texts,
                "language": pa.repeat("id", len(texts)),
                "instruments": text.instruments(texts),
            }
        ).filter(pc.replace_with_mask(batch["known"], unknown, detected))


def write(frame: DataFrame, file: Path) -> int:
    """Write clean tweets as one zstd Parquet file, sorted by tweet_id: the same bytes from every engine.

    The day's clean tweets are held in memory; with Sail and all its work, half a million raw ones peak at 1 GB.

    Args:
        frame: what `clean_day` returned.
        file: a local file, written or replaced.

    Returns:
        The number of tweets.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema(
        [
            pa.field("tweet_id", pa.int64(), nullable=False),
            pa.field("created_at", pa.timestamp("us", UTC), nullable=False),
            pa.field("tweet_date", pa.date32(), nullable=False),
            ("user_name", pa.string()),
            pa.field("tweet", pa.string(), nullable=False),
            pa.field("language", pa.string(), nullable=False),
            ("instruments", pa.list_(pa.string())),
        ]
    )
    table = frame.toArrow().cast(schema).sort_by("tweet_id")
    pq.write_table(table, file, compression="zstd")
    return int(table.num_rows)
