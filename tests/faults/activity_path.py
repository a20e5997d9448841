"""The path of activity, step by step, and what it leaves: what is killed, and what is compared."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from lumbung.core.settings import Settings
from lumbung.storage.lake import Lake, open_lake
from lumbung.stream import replay as stream_replay
from lumbung.stream.kafka import Cluster
from lumbung.stream.land import land as land_feed
from lumbung.stream.ticks import tick
from lumbung.systems.stream_models import activity
from lumbung.systems.stream_models.batches import make_batches, newest_batches
from lumbung.systems.stream_models.by import By
from lumbung.systems.stream_models.feed import feed
from support.activity import rows_of

# Batches of these have the same files after every kill.
SAME_FILES = (By("count", 90), By.parse("event:10m"))
WINDOW = By.parse("window:1s")
TRANSACTION_ROWS = 40


def replay(settings: Settings, lake: Lake, file: Path) -> None:
    """Send a dataset, in many transactions."""
    stream_replay.TRANSACTION_ROWS = TRANSACTION_ROWS
    activity.replay(settings, lake, file)


def land(settings: Settings, lake: Lake, _file: Path) -> None:
    """Land what is in the topic, and ticks behind it."""
    given = feed(settings)
    land_feed(settings, lake, given, batch_rows=100)
    cluster = Cluster(settings, given.topic, given.config, sender=given.sender)
    tick(cluster, cluster.topic())
    land_feed(settings, lake, given)


def batch(_settings: Settings, lake: Lake, _file: Path) -> None:
    """Cut what is landed, in each way."""
    for by in (*SAME_FILES, WINDOW):
        make_batches(lake, by)


Step = Callable[[Settings, Lake, Path], None]
STEPS: dict[str, Step] = {"replay": replay, "land": land, "batch": batch}


def settings_of(home: Path, kafka: str) -> Settings:
    """The settings of a home, whose topic is named after it."""
    return Settings.of(home=home, kafka=kafka, activity_topic=home.name)


def take(home: Path, kafka: str, file: Path, steps: list[str]) -> None:
    """Do some of the steps, as a run does."""
    settings = settings_of(home, kafka)
    for name in steps:
        STEPS[name](settings, open_lake(settings), file)


def contents(lake: Lake) -> dict[str, list[str]]:
    """What must be the same, as tables of lines: batches' checksums and rows, and the rows of all windows."""
    tables = {}
    for by in SAME_FILES:
        for made in newest_batches(lake, by):
            lines = [f"sha256 {made.file.sha256}", f"{made.rejected} rejected"]
            tables[f"{by} {made.number}"] = lines + _lines(lake, [made])
    windows = newest_batches(lake, WINDOW)
    tables[str(WINDOW)] = [f"{sum(made.rejected for made in windows)} rejected", *sorted(_lines(lake, windows))]
    return tables


def _lines(lake: Lake, batches: list) -> list[str]:
    return [json.dumps(row, default=str) for made in batches for row in rows_of(lake, made)]
