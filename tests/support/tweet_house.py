"""The path of tweets as the DAG runs it, but in this process, stage by stage and without Airflow."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from lumbung.catalog.contract import Catalog
from lumbung.core.settings import Settings
from lumbung.pipeline.publish import publish
from lumbung.pipeline.run import Step
from lumbung.storage.lake import open_lake
from lumbung.storage.warehouse import BUILD, Warehouse
from lumbung.stream.collect import collect, open_source
from lumbung.stream.land import land
from lumbung.stream.ship import ship
from lumbung.systems.cilvest import steps as tweets
from lumbung.systems.cilvest.answers import answers
from support.pipeline import DayInProcess, contents, digest

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


class TweetHouse:
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
        """Make a house; with the name of one, go on with that."""
        self.folder, self.catalog, self.name = folder, catalog or Catalog(), name or f"w{uuid.uuid4().hex[:12]}"
        self.archive = folder / "archive"
        self.archive.mkdir(parents=True, exist_ok=True)
        self.settings = Settings.of(
            home=folder / "home",
            emulator_host=bigquery,
            dataset_prefix=f"{self.name}_",
            kafka=kafka,
            kafka_topic=self.name,
            **options,
        )
        self.warehouse, self.lake = Warehouse(self.settings), open_lake(self.settings)

    def close(self) -> None:
        """Drop the data sets: each one that is there slows down the local server."""
        for name in (*self.catalog.datasets(), BUILD):
            self.warehouse.client.delete_dataset(
                self.warehouse.dataset(name), delete_contents=True, not_found_ok=True, retry=None
            )

    def move(self, server: str) -> None:
        """Go on with the warehouse at another address."""
        self.settings = self.settings.replace(emulator_host=server)
        self.warehouse = Warehouse(self.settings)

    def give(self, name: str, *given: dict | bytes) -> None:
        """Put a file into the archive: tweets, or lines as they are."""
        lines = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in given]
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
        """The rows of every table of tweets: neither versions nor offsets, which tell what came when."""
        found = contents(self.warehouse, *datasets)
        return {name: rows for name, rows in found.items() if not name.endswith(("freshness", "rejected_row"))}

    def checksum(self) -> dict[str, str]:
        """What `contents` gives, in short."""
        return {name: digest(rows) for name, rows in self.contents().items()}

    def rows(self, sql: str) -> list[dict]:
        """A query's rows; `{staging.tweet}` stands for a table."""
        for address in self.catalog.contracts:
            sql = sql.replace(f"{{{address}}}", f"`{self.warehouse.table(address)}`")
        return self.warehouse.rows(sql).to_pylist()


class TweetDay(DayInProcess):
    """One run of tweets; options as `DayInProcess`'s."""

    def __init__(self, house: TweetHouse, day: date, *, source: str = "archive", **options: Any) -> None:
        super().__init__(house.settings, house.warehouse, house.catalog, tweets.SYSTEM, day, **options)
        self.house, self.source = house, source

    def collect(self) -> None:
        settings = self.run.settings
        collect(settings, open_source(settings, self.source, day=self.run.day, path=self.house.archive))

    def ship(self) -> None:
        ship(self.run.settings)

    def land(self) -> None:
        land(self.run.settings, self.run.lake)

    def version(self) -> None:
        self.target = tweets.target(self.run, tweets.make_version(self.run.lake))

    def rejected(self) -> Step:
        return self._do("rejected_row", lambda: tweets.load_rejected(self.run))

    def clean(self) -> Step:
        return self._do("clean", lambda: tweets.clean(self.run, self.target))

    def load(self) -> Step:
        return self._do("load", lambda: tweets.load_days(self.run, self.target))

    def index(self) -> Step:
        return self._do("index", lambda: tweets.index(self.run, self.target))

    def publish(self) -> Step:
        return self._do("publish", lambda: publish(self.run, self.target, self.target))

    def up_to(self, stage: str) -> TweetDay:
        """All stages up to one, that one included."""
        for name in STAGES[: STAGES.index(stage) + 1]:
            getattr(self, name)()
        return self
