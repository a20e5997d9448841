"""The pipeline of tweets as the DAG runs it, but in this process, stage by stage and without Airflow."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from lumbung.catalog.contract import Catalog
from lumbung.core.settings import Settings
from lumbung.pipeline.run import Step
from lumbung.systems.cilvest.answers import answers
from support.harness import DayRun, Harness

SYSTEM = "cilvest"
RUN_DAY = date(2026, 11, 24)
STAGES = (
    *("start", "collect", "ship", "land", "version", "rejected"),
    *("clean", "load", "build", "publish", "audit"),
)


def tweet(number: int, text: str, at: str = "2026-11-21T12:00", user: str = "sintetis_a", **more: object) -> dict:
    """A synthetic tweet of X API v2; `at` is Jakarta's time."""
    created = datetime.fromisoformat(f"{at}:00+07:00").astimezone(UTC)
    time = created.isoformat().replace("+00:00", "Z")
    return {"id": f"{number}", "created_at": time, "text": text, "lang": "in", "author": {"username": user}, **more}


class TweetHarness(Harness):
    """An archive, a spool, a topic, a lake and a warehouse of one test; the servers are shared."""

    def __init__(
        self,
        folder: Path,
        bigquery: str,
        kafka: str,
        catalog: Catalog | None = None,
        *,
        name: str = "",
        **options: object,
    ) -> None:
        """Make a harness; with the name of one, go on with that."""
        name = name or f"w{uuid.uuid4().hex[:12]}"
        self.archive = folder / "archive"
        self.archive.mkdir(parents=True, exist_ok=True)
        settings = Settings.of(
            home=folder / "home",
            emulator_host=bigquery,
            dataset_prefix=f"{name}_",
            kafka=kafka,
            kafka_topic=name,
            **options,
        )
        super().__init__(folder, name, settings, catalog or Catalog())

    def give(self, name: str, *given: dict | bytes) -> None:
        """Put a file into the archive: tweets, or lines as they are."""
        lines = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in given]
        (self.archive / f"{name}.jsonl").write_bytes(b"\n".join(lines) + b"\n")

    def spool(self, name: str, *lines: bytes) -> None:
        """Put a spool file as another collector would."""
        folder = self.settings.spool / "incoming"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.jsonl").write_bytes(b"\n".join(lines) + b"\n")

    def run(self, day: date | str = RUN_DAY, **options: object) -> TweetDay:
        """A run, not started; options as `TweetDay`'s."""
        return TweetDay(self, date.fromisoformat(f"{day}"), **options)

    def take(self, day: date | str = RUN_DAY, **options: object) -> TweetDay:
        """A run from start to end."""
        return self.run(day, **options).up_to(STAGES[-1])

    def answers(self) -> dict:
        """What `lumbung tweets answers --json` prints."""
        return answers(self.warehouse).to_json()

    def contents(self, *datasets: str) -> dict[str, list[str]]:
        """The rows of every table of tweets: without versions and offsets, which depend on what came when."""
        tables = super().contents(*datasets)
        return {name: rows for name, rows in tables.items() if not name.endswith(("freshness", "rejected_row"))}


class TweetDay(DayRun):
    """One run of tweets; options as `DayRun`'s."""

    def __init__(self, harness: TweetHarness, day: date, *, source: str = "archive", **options: Any) -> None:
        path = harness.archive if source == "archive" else None
        super().__init__(harness, SYSTEM, day, options={"source": source, "path": path}, **options)

    def collect(self) -> None:
        self.system.step("collect")(self.run)

    def ship(self) -> None:
        self.system.step("ship")(self.run)

    def land(self) -> None:
        self.system.step("land")(self.run)

    def version(self) -> None:
        self.decide()

    def clean(self) -> Step:
        return self._do("clean", lambda: self.system.step("clean")(self.run, self.target))

    def load(self) -> Step:
        contract = self.run.catalog["staging.tweet"]
        return self._do("load", lambda: self.system.load(self.run, contract, self.target))

    def index(self) -> Step:
        return self._do("index", lambda: self.system.step("index")(self.run, self.target))

    def up_to(self, stage: str) -> TweetDay:
        """All stages up to one, that one included."""
        for name in STAGES[: STAGES.index(stage) + 1]:
            getattr(self, name)()
        return self
