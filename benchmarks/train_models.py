"""What training costs on Sail by applyInArrow, against Spark's own machine learning, and how good the models are.

`python -m benchmarks.train_models TRAINER ADDRESS FOLDER [SERVER]` is one training, in a process of its own.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psutil
import pyarrow.json as pj
import pyarrow.parquet as pq

from benchmarks.results import Measure, Took, in_turn
from benchmarks.watch import program
from lumbung.core.settings import Settings
from lumbung.models import model_file
from lumbung.models.evaluate import evaluate
from lumbung.models.parameters import Parameters
from lumbung.models.truth import Truth
from lumbung.spark import features, mllib, train
from lumbung.spark.session import session
from lumbung.systems.stream_models.generate import generate
from support import spark_server

MODELS = 3
METRICS = ("recall_at_20", "rating_rmse", "completion_log_loss")
WARM_UP_ROWS = 2_000
# As the service `spark` of Compose has.
HEAP = "1g"
THEIRS, OURS = "MLlib on a warm Spark Connect server", "applyInArrow on Sail"


def make(rows: int, folder: Path) -> None:
    """Write the features of `MODELS` + 1 batches, the last of which is for measuring only, and the dataset's truth."""
    dataset = folder / "activity.ndjson"
    generate(Settings.of(), dataset, rows=rows // MODELS * (MODELS + 1))
    table = pj.read_json(dataset)
    with session(Settings.of(spark="sail")) as opened:
        for number in range(MODELS + 2):
            first, count = (0, WARM_UP_ROWS) if number == 0 else ((number - 1) * (rows // MODELS), rows // MODELS)
            batch = folder / f"batch-{number}.parquet"
            pq.write_table(table.slice(first, count), batch)
            features.write(features.features(opened, [f"{batch}"]), folder / f"features-{number}.parquet")


def run(trainer: str, address: str, folder: Path, server: int | None) -> dict[str, float]:
    """Train in this process.

    Args:
        trainer: `arrow` or `mllib`.
        address: the engine.
        folder: where `make` wrote, and the models go.
        server: the engine's process, if it is another one.
    """
    way = mllib.train if trainer == "mllib" else train.train
    files = [f"{folder}/features-{number}.parquet" for number in range(MODELS + 1)]
    jobs = [train.Job(number, files[1 : number + 1], ["0"] * number) for number in range(1, MODELS + 1)]
    with session(Settings.of(spark=address)) as opened:
        list(way(opened, [train.Job(0, files[:1], ["0"])], Parameters()))
        began, before = time.perf_counter(), cpu(server)
        for number, content in way(opened, jobs, Parameters()):
            (folder / f"{trainer}-{number}.npz").write_bytes(content)
        return {"seconds": time.perf_counter() - began, "cpu": cpu(server) - before}


def cpu(server: int | None) -> float:
    """CPU seconds of this process, and of the engine's, so far."""
    used = [psutil.Process().cpu_times(), *([psutil.Process(server).cpu_times()] if server else [])]
    return sum(times.user + times.system for times in used)


def quality(trainer: str, folder: Path, truth: Truth) -> dict[str, float]:
    """The mean metrics of a trainer's models, each on the batch after those it was trained on."""
    sums = dict.fromkeys(METRICS, 0.0)
    for number in range(1, MODELS + 1):
        file = folder / f"{trainer}-{number}.npz"
        test = pq.read_table(folder / f"features-{number + 1}.parquet")
        metrics = evaluate(model_file.read(file.read_bytes(), f"{file}"), test, truth, number + 1)
        for name in METRICS:
            sums[name] += metrics[name].value / MODELS
    return sums


def measure(rows: int, rounds: int, say: Callable[[str], object]) -> list[Measure]:
    """Take turns; each round has a process of its own, and MLlib a server of its own."""

    def ours(folder: Path) -> Took:
        return took(OURS, "arrow", "sail", folder)

    def theirs(folder: Path) -> Took:
        with tempfile.TemporaryDirectory() as name, spark_server.running(Path(name), memory=HEAP) as address:
            return took(THEIRS, "mllib", address, folder, server_at(address))

    def took(what: str, trainer: str, address: str, folder: Path, *server: int) -> Took:
        command = [sys.executable, "-m", "benchmarks.train_models", trainer, address, folder, *server]
        return program(what, [f"{word}" for word in command], seen=server)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(rows, folder)
        ways = {THEIRS: partial(theirs, folder), OURS: partial(ours, folder)}
        results = in_turn(ways, rounds, say)
        truth = Truth.read((folder / "activity.ndjson.truth.npz").read_bytes())
        qualities = {what: quality(trainer, folder, truth) for what, trainer in ((THEIRS, "mllib"), (OURS, "arrow"))}
    peaks = [result.peak_mb or 0 for result in results]
    metrics = "; ".join(f"{name} {qualities[THEIRS][name]:.4f} and {qualities[OURS][name]:.4f}" for name in METRICS)
    notes = [
        f"Memory {peaks[1] / peaks[0]:.2f} x, of the largest process; the server's heap is {HEAP}, and it has trained"
        f" before. Quality, the mean of the models on the batch after theirs: {metrics}.",
    ]
    goal = "at most 0.35 x MLlib's CPU and memory, quality not lower"
    return [Measure(f"Training {MODELS} cumulative models of all kinds, {rows:,} rows", goal, results, notes)]


def server_at(address: str) -> int:
    """The process of a server that `spark_server.running` started."""
    option = f"spark.connect.grpc.binding.port={address.rpartition(':')[2]}"
    return next(
        process.pid
        for process in psutil.process_iter(["name", "cmdline"])
        if process.info["name"] == "java" and option in (process.info["cmdline"] or [])
    )


if __name__ == "__main__":
    trainer, address, folder, *server = sys.argv[1:]
    print(json.dumps(run(trainer, address, Path(folder), int(server[0]) if server else None)))
