"""The pipeline of models as the DAG runs it, but in this process, stage by stage and without Airflow."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from lumbung.catalog.contract import Catalog
from lumbung.core.settings import Settings
from lumbung.pipeline.run import Step
from lumbung.systems.stream_models import steps
from lumbung.systems.stream_models.answers import answers
from support.harness import DayRun, Harness

SYSTEM = "stream_models"
RUN_DAY = date(2026, 11, 24)
FIRST = datetime(2026, 11, 20, 1, tzinfo=UTC)  # 08:00 in Jakarta
APART = timedelta(minutes=20)
STAGES = (
    *("start", "replay", "land", "batch", "features", "train", "evaluate", "model_run", "version", "rejected"),
    *("load", "build", "publish", "activate", "audit"),
)
# When something was done, and by which run, is not what tables are compared by.
OF_RUNS = {"trained_at", "training_seconds"}


def activity(number: int, **changes: object) -> dict[str, object]:
    """A synthetic row of a dataset: students like courses of their own parity, one activity every 20 minutes."""
    student = number % 12
    return {
        "student_id": f"s{student:02}",
        "course_id": f"c{(student + 2 * (number // 12)) % 10}",
        "rating": number % 5 + 1,
        "minutes": 5.0 + number % 40,
        "hour": number % 24,
        "device": ("phone", "laptop")[student % 2],
        "completed": number % 3 == 0,
        "event_time": f"{FIRST + number * APART:%Y-%m-%dT%H:%M:%SZ}",
        **changes,
    }


class ModelsHarness(Harness):
    """Datasets, a topic, a lake and a warehouse of one test; the servers are shared."""

    def __init__(self, folder: Path, bigquery: str, kafka: str, **options: object) -> None:
        name = f"w{uuid.uuid4().hex[:12]}"
        settings = Settings.of(
            home=folder / "home",
            emulator_host=bigquery,
            dataset_prefix=f"{name}_",
            kafka=kafka,
            activity_topic=name,
            **options,
        )
        super().__init__(folder, name, settings, Catalog())

    def give(self, name: str, *rows: dict[str, object] | bytes) -> Path:
        """Write a dataset: rows, or lines as they are."""
        lines = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
        file = self.folder / f"{name}.ndjson"
        file.write_bytes(b"\n".join(lines) + b"\n")
        return file

    def run(self, dataset: Path | str, day: date = RUN_DAY, **options: object) -> ModelsDay:
        """A run, not started; options of the DAG, and those of `DayRun`."""
        return ModelsDay(self, dataset, day, **options)

    def take(self, dataset: Path | str, day: date = RUN_DAY, **options: object) -> ModelsDay:
        """A run from start to end."""
        return self.run(dataset, day, **options).up_to(STAGES[-1])

    def answers(self) -> dict[str, Any]:
        """What `lumbung models answers --json` prints."""
        return answers(self.warehouse).to_json()

    def contents(self, *datasets: str) -> dict[str, list[str]]:
        """The rows of every table: without versions, offsets and times, which depend on what came when."""
        tables = super().contents(*datasets)
        kept = {name: rows for name, rows in tables.items() if not name.endswith(("freshness", "rejected_row"))}
        return {
            name: sorted(
                json.dumps({k: v for k, v in json.loads(row).items() if k not in OF_RUNS}, sort_keys=True)
                for row in rows
            )
            for name, rows in kept.items()
        }


class ModelsDay(DayRun):
    """One run of models; options as the DAG's, and `DayRun`'s."""

    def __init__(
        self,
        harness: ModelsHarness,
        dataset: Path | str,
        day: date,
        *,
        by: str | None = "count:40",
        scheme: str = "both",
        **options: Any,
    ) -> None:
        given = {"dataset": f"{dataset}", "by": by, "scheme": scheme}
        super().__init__(harness, SYSTEM, day, options=given, **options)

    def replay(self) -> Step:
        return self._do("replay", lambda: steps.replay(self.run))

    def land(self) -> Step:
        return self._do("land", lambda: steps.land(self.run))

    def batch(self) -> Step:
        return self._do("batch", lambda: steps.batch(self.run))

    def features(self) -> Step:
        step, self.to_train = steps.features(self.run)
        return step

    def train(self) -> list[Step]:
        return [steps.train(self.run, name) for name in self.to_train]

    def evaluate(self) -> Step:
        return self._do("evaluate", lambda: steps.evaluate(self.run))

    def model_run(self) -> Step:
        return self._do("model_run", lambda: steps.model_run(self.run))

    def version(self) -> None:
        self.decide()

    def load(self) -> list[Step]:
        tables = [self.run.catalog[f"staging.{name}"] for name in ("activity", "model", "model_metric")]
        return [self.system.load(self.run, table, self.target) for table in tables]

    def activate(self) -> Step:
        return self._do("activate", lambda: steps.activate(self.run, self.target))

    def up_to(self, stage: str) -> ModelsDay:
        """All stages up to one, that one included; activation only of what was published, as in the DAG."""
        return self.through(STAGES[: STAGES.index(stage) + 1])

    def after(self, stage: str) -> ModelsDay:
        """All stages after one."""
        return self.through(STAGES[STAGES.index(stage) + 1 :])

    def through(self, stages: tuple[str, ...]) -> ModelsDay:
        """The stages, in order."""
        self.did: dict[str, Any] = getattr(self, "did", {})
        for name in stages:
            if name == "activate" and self.did["publish"].skipped:
                continue
            self.did[name] = getattr(self, name)()
        return self
