"""The path of activity, step by step, and what it leaves: what is killed, and what is compared."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

from lumbung.core.settings import Settings
from lumbung.pipeline.run import Run
from lumbung.storage.lake import Lake, open_lake
from lumbung.stream import replay as stream_replay
from lumbung.stream.kafka import Cluster
from lumbung.stream.land import land as land_feed
from lumbung.stream.ticks import tick
from lumbung.systems.stream_models import activity, steps
from lumbung.systems.stream_models.batches import make_batches, newest_batches
from lumbung.systems.stream_models.by import By
from lumbung.systems.stream_models.feed import feed
from lumbung.systems.stream_models.training import SCHEMES, candidates, evaluation, trained
from support.activity import rows_of

if TYPE_CHECKING:
    from lumbung.storage.warehouse import Warehouse

# Batches of these have the same files after every kill.
SAME_FILES = (By("count", 90), By.parse("event:10m"))
WINDOW = By.parse("window:1s")
# Few models: each takes seconds.
TRAINED = By("count", 250)
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
    for by in (*SAME_FILES, WINDOW, TRAINED):
        make_batches(lake, by)


def train(settings: Settings, _lake: Lake, _file: Path) -> None:
    """Train the models of the batches, and measure them."""
    run = Run(
        settings=settings,
        warehouse=cast("Warehouse", None),  # these steps know the lake only
        system="stream_models",
        run_id="faults",
        day=date(2026, 9, 1),
        started_at=datetime.now(UTC),
        options={"by": f"{TRAINED}"},
    )
    for name in steps.features(run)[1]:
        steps.train(run, name)
    steps.evaluate(run)


Step = Callable[[Settings, Lake, Path], None]
STEPS: dict[str, Step] = {"replay": replay, "land": land, "batch": batch, "train": train}


def settings_of(home: Path, kafka: str) -> Settings:
    """The settings of a home, whose topic is named after it."""
    return Settings.of(home=home, kafka=kafka, activity_topic=home.name)


def take(home: Path, kafka: str, file: Path, names: list[str]) -> None:
    """Do some of the steps, as a run does."""
    settings = settings_of(home, kafka)
    for name in names:
        STEPS[name](settings, open_lake(settings), file)


def contents(lake: Lake) -> dict[str, list[str]]:
    """What must be the same, as tables of lines: batches' checksums and rows, those of models, rows of all windows."""
    tables = {}
    for by in SAME_FILES:
        for made in newest_batches(lake, by):
            lines = [f"sha256 {made.file.sha256}", f"{made.rejected} rejected"]
            tables[f"{by} {made.number}"] = lines + _lines(lake, [made])
    windows = newest_batches(lake, WINDOW)
    tables[str(WINDOW)] = [f"{sum(made.rejected for made in windows)} rejected", *sorted(_lines(lake, windows))]
    for model in candidates(newest_batches(lake, TRAINED), SCHEMES, "arrow"):
        training, measured = trained(lake, model.key), evaluation(lake, model)
        tables[model.id] = [f"sha256 {training.file.sha256}"] if training else []
        tables[model.id] += [f"{name} {metric}" for name, metric in measured.metrics.items()] if measured else []
    return tables


def _lines(lake: Lake, batches: list) -> list[str]:
    return [json.dumps(row, default=str) for made in batches for row in rows_of(lake, made)]
