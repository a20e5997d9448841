"""How long replaying a dataset takes beside an idempotent producer that is handed the same messages.

The bare one is given keys and values that are made already: it reads no file, and has no transactions, so that a kill
leaves a part of the rows and a second run sends them twice. Another one reads the file itself, as one would write it.
"""

import json
import tempfile
import uuid
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from benchmarks.bare_producer import send
from benchmarks.results import Measure, Took, in_turn
from benchmarks.watch import timed
from lumbung.core.settings import Settings
from lumbung.local.kafka import broker
from lumbung.storage.lake import FolderLake
from lumbung.stream.dataset import Dataset
from lumbung.stream.kafka import ACTIVITY, Cluster
from lumbung.systems.stream_models.activity import COLUMNS, messages, replay
from lumbung.systems.stream_models.generate import generate


def bare(settings: Settings, sent: Iterable[tuple[bytes, bytes]]) -> int:
    """Send messages: how many."""
    return send(Cluster(settings, settings.activity.topic, ACTIVITY), sent)


def read(file: Path) -> Iterable[tuple[bytes, bytes]]:
    """A dataset's messages, as one would write it."""
    with file.open("rb") as lines:
        for seq, line in enumerate(lines):
            row = json.loads(line)
            row["seq"], row["event_at"] = seq, row.pop("event_time")
            yield row["student_id"].encode(), json.dumps(row).encode()


def measure(rows: int, rounds: int, say: Callable[[str], object]) -> list[Measure]:
    """Measure all, taking turns; each time with a new topic and a new lake."""
    with tempfile.TemporaryDirectory(prefix="lumbung-bench-") as home:
        settings = Settings.of(home=Path(home))
        file = Path(home) / "activity.ndjson"
        generate(settings, file, rows=rows, seed=1)
        made = list(messages(Dataset(file, COLUMNS).rows(), 0))

        def took_of(what: str, run: Callable[[Settings, Path], int]) -> Took:
            given = settings.replace(kafka=servers, activity_topic=f"a{uuid.uuid4().hex}")
            took = timed(what, partial(run, given, Path(tempfile.mkdtemp(dir=home))))
            if took.rows != rows:
                raise SystemExit(f"{what}: {took.rows} of {rows} rows")
            return took

        ways = {
            "an idempotent producer": lambda given, _: bare(given, made),
            "the same, which reads the file": lambda given, _: bare(given, read(file)),
            "lumbung models replay": lambda given, folder: (
                replay(given, FolderLake(folder.as_uri(), folder), file).sent
            ),
        }
        with broker(settings) as servers:
            took = in_turn({what: partial(took_of, what, run) for what, run in ways.items()}, rounds, say)
    notes = [
        "The first one is handed keys and values that are made already. Neither producer has transactions, checksums,"
        " rejects of rows that cannot be read, or a memory of what it has sent."
    ]
    return [Measure(f"Replay, {rows:,} rows", "at most 2 x the idempotent producer", took, notes)]
