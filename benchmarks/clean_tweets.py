"""How fast a day's tweets are cleaned, against bare DataFrame code that does as much by the engine's own functions."""

import hashlib
import random
import tempfile
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f

from benchmarks.results import Measure, in_turn
from benchmarks.watch import timed
from lumbung.core.settings import Settings
from lumbung.spark.clean import clean_day, write
from lumbung.spark.session import session

DAY, BEGIN = date(2026, 11, 25), datetime(2026, 11, 24, 17, tzinfo=UTC)
FILES = 8
WORDS = [
    "beli",
    "jual",
    "saham",
    "saham",
    "sahamku",
    "reksadana",
    "reksa",
    "dana",
    "sukuk",
    "suku",
    "sahaman",
    "gue",
    "lagi",
    "pantau",
    "hari",
    "ini",
    "besok",
    "naik",
    "turun",
    "banget",
    "IHSG",
    "BBCA",
    "cuan",
    "rugi",
    "nabung",
    "investasi",
    "bareng",
    "temen",
    "dong",
    "kok",
    "udah",
    "belum",
    "pagi",
    "sore",
    "market",
    "dividen",
    "bank",
    "emas",
]


def text(dice: random.Random) -> str:
    """A synthetic tweet of about 120 characters."""
    words = dice.choices(WORDS, k=dice.randint(8, 28))
    for share, make in (
        (0.30, lambda: "https://t.co/" + "".join(dice.choices("abcdefghijABCDEFG123", k=10))),
        (0.25, lambda: f"@user{dice.randint(1, 9999)}"),
        (0.08, lambda: "&amp;"),
        (0.20, lambda: dice.choice(("#SahamIndonesia", "#BeliSaham", "#sukuk", "#investasi"))),
        (0.20, lambda: dice.choice(("🚀", "😂😂", "👩‍👩‍👧", "❤️"))),
        (0.10, lambda: "\n"),
    ):
        if dice.random() < share:
            words.insert(dice.randint(0, len(words)), make())
    return " ".join(words)


def make(count: int, folder: Path) -> list[str]:
    """Write a day's raw files; 3 % come twice, 12 % are retweets, 5 % have no language of their own."""
    dice = random.Random(5)
    rows: list[dict[str, object]] = []
    for number in range(count):
        identity = 1_990_000_000_000_000_000 + 1000 * (dice.randint(0, number) if dice.random() < 0.03 else number)
        at, said = BEGIN + timedelta(seconds=dice.randint(0, 86_399)), text(dice)
        rows.append(
            {
                "identity": f"{identity}",
                "edit_id": identity,
                "collected_at": at + timedelta(seconds=dice.randint(1, 9999)),
                "created_at": at,
                "user_name": f"user{dice.randint(1, 50_000)}",
                "lang": dice.choices(("in", "en", None, "und", "tl"), (86, 6, 1, 4, 3))[0],
                "is_retweet": dice.random() < 0.12,
                "text": said,
                "sha256": hashlib.sha256(f"{number}{said}".encode()).hexdigest(),
                "raw": f'{{"id_str": "{identity}", "text": "{said}"}}',
            }
        )
    stamp = pa.timestamp("us", "UTC")
    kinds = {"edit_id": pa.int64(), "collected_at": stamp, "created_at": stamp, "is_retweet": pa.bool_()}
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in rows[0]])
    paths = [folder / f"raw-{number}.parquet" for number in range(FILES)]
    for number, path in enumerate(paths):
        pq.write_table(pa.Table.from_pylist(rows[number::FILES], schema), path, compression="zstd")
    return [f"{path}" for path in paths]


def bare(opened: SparkSession, files: list[str]) -> DataFrame:
    """The same columns by the engine's own functions."""
    words = f.regexp_replace("text", r"https?://\S+|www\.\S+", " ")
    words = f.regexp_replace(words, r"@\w+", " ")
    words = f.regexp_replace(words, r"[\x00-\x1f\x7f]", " ")
    words = f.trim(f.regexp_replace(words, r"\s+", " "))
    names = {"reksadana": "reksa[ -]?dana", "saham": "saham", "sukuk": "sukuk"}
    named = [
        f.when(f.rlike("tweet", f.lit(rf"(?i)\b{word}(ku|mu|nya|lah|kah|pun)?\b")), f.lit(name))
        for name, word in names.items()
    ]
    return (
        opened.read.parquet(*files)
        .dropDuplicates(["identity"])
        .where("not is_retweet and lang in ('in', 'id')")
        .select(
            f.col("identity").cast("long").alias("tweet_id"),
            "created_at",
            f.to_date(f.expr("created_at + interval 7 hours")).alias("tweet_date"),
            "user_name",
            words.alias("tweet"),
            f.lit("id").alias("language"),
        )
        .withColumn("instruments", f.array_compact(f.array(*named)))
    )


def measure(count: int, rounds: int, say: Callable[[str], object], engine: str = "sail") -> list[Measure]:
    """Take turns in this process, in which Sail runs."""
    with tempfile.TemporaryDirectory() as name, session(Settings.of(spark=engine)) as opened:
        folder = Path(name)
        files = make(count, folder)

        def ours() -> int:
            write(clean_day(opened, files, DAY), folder / "clean.parquet")
            return count

        def theirs() -> int:
            frame = bare(opened, files)
            frame.write.mode("overwrite").option("compression", "zstd").parquet(f"{folder}/bare")
            return count

        ways = {"bare DataFrame code": theirs, "clean_day and write": ours}
        took = in_turn({what: partial(timed, what, run) for what, run in ways.items()}, rounds, say)
    notes = [
        f"{count / took[1].seconds:,.0f} tweets a second. The bare code keeps any version of a tweet, knows neither"
        " HTML nor NFC, trusts the language field and writes files in no order."
    ]
    goal = "at most 1.3 x the bare code, at least 100,000 tweets a second"
    return [Measure(f"Cleaning {count:,} tweets on {engine}", goal, took, notes)]
