"""Models trained by Spark: one applyInArrow job for all of them, the same bytes from Sail, a server and Dataproc."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

from lumbung.core.errors import LumbungError

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

    from lumbung.models.fit import Parameters

_RESULT = "number int, content binary"
# Sail runs groups as threads of this process: one at a time, since a fit limits the whole process's BLAS to one thread
# and lifts that when it ends, and since each holds its rows in memory.
_FITTING = threading.Lock()


@dataclass(frozen=True)
class Job:
    """A model to train.

    Attributes:
        number: of the model, unlike that of the others.
        files: Parquet files that `features.write` wrote, as the engine reaches them.
        batches: sha256 of each batch's file, in order.
    """

    number: int
    files: list[str]
    batches: list[str]


def train(session: SparkSession, jobs: Sequence[Job], parameters: Parameters) -> Iterator[tuple[int, bytes]]:
    """Train models by `lumbung.models.fit` in one Spark job, which reads each file once; a group of rows is a model.

    The bytes are a function of the rows, whatever engine, order or number of tasks, if the versions of numpy, scipy and
    scikit-learn and the processor's instructions are the same. The rows of a model, and its file of at most 128 MB (a
    message of Spark Connect), are held in a worker's memory; what is larger is for `mllib`.

    Args:
        session: a session of any engine.
        jobs: the models.
        parameters: of the training.

    Yields:
        Each model's number and its file's content, in no order.

    Raises:
        LumbungError: a model's files have no rows.
    """
    batches = {job.number: job.batches for job in jobs}

    def fit(key: tuple[pa.Scalar[Any], ...], rows: pa.Table) -> pa.Table:
        return _fit(key[0].as_py(), rows, parameters, batches)

    untrained = set(batches)
    # One after another, as each may be large.
    for number, content in rows_of(session, jobs).groupBy("number").applyInArrow(fit, _RESULT).toLocalIterator():
        untrained.remove(number)
        yield number, bytes(content)
    if untrained:
        raise empty(min(untrained))


def empty(number: int) -> LumbungError:
    """The error of a model whose files have no rows."""
    return LumbungError(
        "there are no rows to train it on", where=f"model {number}", remedy="give it batches that have rows"
    )


def _fit(number: int, rows: pa.Table, parameters: Parameters, batches: Mapping[int, list[str]]) -> pa.Table:
    """Runs in a worker, to which it goes by name: a function that goes by its code takes no lock along."""
    import pyarrow as pa

    from lumbung.models import fit, model_file

    with _FITTING:
        content = model_file.write(fit.fit(rows.drop_columns("number"), parameters, batches[number]))
    return pa.table({"number": pa.array([number], pa.int32()), "content": pa.array([content], pa.binary())})


def rows_of(session: SparkSession, jobs: Sequence[Job]) -> DataFrame:
    """The rows of every model, with its number; files of the same models are read together, each once."""
    from pyspark.sql import functions as f

    numbers: dict[str, list[int]] = defaultdict(list)
    for job in jobs:
        for file in job.files:
            numbers[file].append(job.number)
    files: dict[tuple[int, ...], list[str]] = defaultdict(list)
    for file, models in numbers.items():
        files[tuple(models)].append(file)
    frames = [
        session.read.parquet(*paths).withColumn("number", f.explode(f.lit(list(models))))
        for models, paths in files.items()
    ]
    return reduce(lambda one, other: one.unionByName(other), frames)
