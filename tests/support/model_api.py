"""Models in a lake, and the server that serves them, in a process of its own."""

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import requests

from lumbung.core.settings import ROOT
from lumbung.models import model_file
from lumbung.models.fit import Parameters, fit
from lumbung.models.release import RELEASES, Metric, Release, ReleasedModel
from lumbung.serving.api.functions import FUNCTIONS
from lumbung.storage.lake import FolderLake
from lumbung.storage.manifest import DataFile, commit

KEY = "key-of-the-tests"
_EXAMPLE = FUNCTIONS["/v1/models/{id}/predict-rating"].example
COURSES = [_EXAMPLE["course_id"], *(f"course-{number}" for number in range(1, 40))]
STUDENTS = [_EXAMPLE["student_id"], *(f"student-{number}" for number in range(1, 30))]
TITLES = {course: f"Judul <b>{course}</b> & “lain”" for course in COURSES[:-1]}
TITLES_FILE = json.dumps(TITLES).encode()
SERVE = (
    "import sys; from lumbung.core.settings import load; from lumbung.serving.api.server import serve; "
    "serve(load(), port=int(sys.argv[1]))"
)


def rows(seed: int, columns: Sequence[str] = ("rating", "minutes", "hour_sin", "hour_cos", "device", "completed")):
    """Synthetic features of a batch."""
    dice = np.random.default_rng(seed)
    hour = dice.integers(0, 24, 400) * np.pi / 12
    table = {
        "student_id": dice.choice(STUDENTS, 400),
        "course_id": dice.choice(COURSES, 400),
        "strength": dice.uniform(0.5, 2, 400),
        "rating": dice.integers(1, 6, 400),
        "minutes": dice.gamma(2, 20, 400),
        "hour_sin": np.sin(hour),
        "hour_cos": np.cos(hour),
        "device": dice.choice(["phone", "laptop"], 400),
        "completed": dice.random(400) < 0.4,
    }
    return pa.table({name: values for name, values in table.items() if name.endswith("_id") or name in columns})


@cache
def content(seed: int, *columns: str) -> bytes:
    """The file of a model; of every column, or of some."""
    return model_file.write(fit(rows(seed, columns) if columns else rows(seed), Parameters(seed=seed), [f"{seed:064}"]))


@dataclass
class Shelf:
    """Models and releases in a lake."""

    lake: FolderLake

    def add(self, name: str, file: bytes, *, instead: bytes | None = None, **changes: object) -> ReleasedModel:
        """Write a model's file, or something else instead; gives what a release says of it."""
        header = model_file.read(file, name).header
        file = file if instead is None else instead
        digest = hashlib.sha256(file).hexdigest()
        key = digest[:16]
        path = f"models/stream_models/{key}.npz"
        self.lake.write(path, file)
        scheme, number = name.split("-")
        return ReleasedModel(
            id=name,
            scheme=scheme,
            number=int(number),
            key=key,
            file=DataFile(path=path, rows=header.rows, bytes=len(file), sha256=digest),
            batches=[int(number)] if scheme == "a" else list(range(1, int(number) + 1)),
            kinds=header.kinds,
            **{"basis": "als", **changes},
        )

    def release(
        self,
        *models: ReleasedModel,
        latest: Mapping[str, str] | None = None,
        titles: bytes = TITLES_FILE,
        **changes: object,
    ) -> Release:
        """Release models; the latest of a scheme is the last one."""
        path = f"titles/stream_models/{hashlib.sha256(titles).hexdigest()[:12]}.json"
        self.lake.write(path, titles)
        last = {model.scheme: model.id for model in models} if latest is None else dict(latest)
        return commit(
            self.lake,
            RELEASES,
            lambda generation: Release(
                generation=generation,
                by="count:400",
                models=list(models),
                latest=last,
                titles=path,
                drift=[{"batch": 2, "feature": "minutes", "psi": 0.03}],
                created_at=datetime(2026, 11, 29, tzinfo=UTC),
                **changes,
            ),
        )


def metric(value: float, batch: int = 2) -> Metric:
    return Metric(value=value, baseline=0.1, truth=None, batch=batch, rows=30)


class Server:
    """A server of the API, as `lumbung models serve` starts it."""

    def __init__(self, home: Path, *, key: str = KEY, **environ: str) -> None:
        self.home, self.key = home, key
        self.log = home / "serve.log"
        home.mkdir(parents=True, exist_ok=True)
        named = {"LUMBUNG_API_KEYS": KEY} if not environ.keys() & {"LUMBUNG_API_KEYS", "LUMBUNG_API_KEYS_FILE"} else {}
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", SERVE, "0"],
                env={**os.environ, "LUMBUNG_HOME": str(home), "LUMBUNG_LAKE_URI": "", **named, **environ},
                cwd=ROOT,
                stdout=output,
                stderr=output,
            )
        self.session = requests.Session()
        self.url = self._url()

    def _url(self) -> str:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            for line in self.log.read_text().splitlines():
                if line.startswith("Serving models at "):
                    url = line.rpartition(" ")[2]
                    try:
                        self.session.get(f"{url}/healthz", timeout=30)
                    except requests.ConnectionError:
                        break
                    return url
            time.sleep(0.05)
        raise AssertionError(f"the server did not start:\n{self.log.read_text()}")

    def get(self, path: str, **options: object) -> requests.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, body: object = None, **options: object) -> requests.Response:
        return self.request("POST", path, json=body, **options)

    def request(self, method: str, path: str, **options: object) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.key}"} | options.pop("headers", {})
        return self.session.request(method, f"{self.url}{path}", headers=headers, timeout=30, **options)

    def wait_for(self, generation: int) -> None:
        """Until a release is served."""
        self.until(lambda: self.get("/readyz").json().get("generation") == generation)

    def until(self, condition, seconds: float = 20) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def close(self) -> None:
        self.session.close()
        self.process.terminate()
        self.process.wait(30)
