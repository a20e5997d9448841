"""A topic of activity that datasets are replayed to, and replays that are killed."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lumbung.core.settings import variable
from lumbung.stream.kafka import Cluster
from lumbung.stream.replay import Replayed
from lumbung.systems.stream_models.activity import replay
from support.stream import Broker, Stream

# Replays in processes of their own, one for each line of input; each kills itself right before its n-th step, which is
# a call that others can see, or right after it. Forking from here spares each the imports.
WORKERS = """
import itertools, json, os, signal, sys, traceback
from pathlib import Path
import confluent_kafka
from lumbung.core import settings
from lumbung.storage.lake import open_lake
from lumbung.stream import replay
from lumbung.systems.stream_models import activity

def deadly(call, every=1):
    seen = itertools.count(1)
    def called(*args, **kwargs):
        number = next(calls) if next(seen) % every == 0 else 0
        if number == step and moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        answer = call(*args, **kwargs)
        if number == step and moment == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return answer
    return called

class Producer(confluent_kafka.Producer):
    def __init__(self, config):
        super().__init__(config)
        self.produce = deadly(super().produce, every)
    init_transactions = deadly(confluent_kafka.Producer.init_transactions)
    commit_transaction = deadly(confluent_kafka.Producer.commit_transaction)

confluent_kafka.Producer = Producer
os.link = deadly(os.link)
for line in sys.stdin:
    environ, file, moment, step, every, replay.TRANSACTION_ROWS, delay = json.loads(line)
    calls = itertools.count(1)
    if not (child := os.fork()):
        try:
            loaded = settings.load(environ)
            activity.replay(loaded, open_lake(loaded), Path(file), delay=delay)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


NOON = datetime(2026, 9, 1, 5, tzinfo=UTC)


def dataset(path: Path, rows: int, start: int = 0) -> Path:
    """A dataset in which the minutes are the row's number."""
    path.write_text(
        "".join(
            json.dumps(
                {
                    "student_id": f"s{number % 7}",
                    "course_id": f"c{number % 5}",
                    "rating": number % 5 + 1,
                    "minutes": number,
                    "hour": 12,
                    "device": "phone",
                    "completed": number % 2 == 0,
                    "event_time": (NOON + timedelta(seconds=number)).isoformat(),
                }
            )
            + "\n"
            for number in range(start, start + rows)
        )
    )
    return path


class Replays(Stream):
    """A topic of activity, and the lake that knows its replays."""

    def __init__(self, broker: Broker, home: Path) -> None:
        super().__init__(broker, home)
        self.topic = f"a{uuid.uuid4().hex}"
        self.settings = self.settings.replace(activity_topic=self.topic)

    def topic_id(self) -> str:
        return Cluster(self.settings, self.topic).topic().id

    def replay(self, file: Path, contract: Path | None = None, **options: object) -> Replayed:
        return replay(self.settings, self.lake, file, contract, **options)

    def rows(self) -> list[dict]:
        """What a reader of what is committed gets, by `seq`; within a partition it rises."""
        rows, last = [], {}
        for message in self.read():
            row = json.loads(message.value())
            assert row["seq"] > last.get(message.partition(), -1)
            last[message.partition()] = row["seq"]
            rows.append(row)
        return sorted(rows, key=lambda row: row["seq"])


class Workers:
    """Runs replays that are killed."""

    def __init__(self) -> None:
        command = [sys.executable, "-c", WORKERS]
        environ = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}  # a process that forks has one thread
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ)

    def start(
        self,
        replays: Replays,
        file: Path,
        *,
        moment: str = "",
        step: int = 0,
        every: int = 20,
        transaction_rows: int = 50,
        delay: tuple[float, float] = (0, 0),
    ) -> None:
        """Start one; `every` so many messages produced are a step."""
        environ = {
            variable(name): f"{replays.settings.value(name)}"
            for name in ("home", "kafka", "activity_topic", "lake_uri")
        }
        job = [environ, str(file), moment, step, every, transaction_rows, delay]
        print(json.dumps(job), file=self.process.stdin, flush=True)
        self.started = int(self.process.stdout.readline())

    def kill(self) -> None:
        """Kill the one that was started, unless it has ended."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.started, signal.SIGKILL)

    def wait(self) -> bool:
        """Wait for its end; whether it was killed."""
        code = int(self.process.stdout.readline())
        assert code in (0, -signal.SIGKILL)
        return code != 0

    def run(self, replays: Replays, file: Path, **options: object) -> bool:
        """Run one; whether it was killed."""
        self.start(replays, file, **options)
        return self.wait()

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()
