"""The main file of a Dataproc job, `job.py PLAN`: days, models or changes of contracts by the cluster's own Spark.

It runs outside this project, with `lumbung.zip` on Python's path. The plan is one line of JSON by `dataproc.stage`.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def main(plan: str) -> None:
    """Do what a plan says.

    Args:
        plan: its address, or a file in the working folder, where spark-submit's `--files` puts it.
    """
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.config("spark.sql.session.timeZone", "UTC").getOrCreate()
    file = Path(plan)
    work = json.loads(file.read_text() if file.is_file() else spark.read.text(plan).collect()[0][0])
    if "clean" in work:
        clean(spark, work["clean"])
    if "train" in work:
        train(spark, work["train"])
    if "contracts" in work:
        contracts(spark, work["contracts"])
    spark.stop()


def clean(spark: SparkSession, days: Sequence[dict[str, Any]]) -> None:
    """Clean days.

    Args:
        spark: the session.
        days: `asdict` of each `dataproc.Day`.
    """
    from lumbung.spark.clean import clean_day, write

    for day in days:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "clean.parquet"
            rows = write(clean_day(spark, day["files"], date.fromisoformat(day["day"])), file)
            _put(spark, file, day["output"])
        print(f"{day['day']}: {rows} clean tweets in {day['output']}")  # noqa: T201 - the job's log


def train(spark: SparkSession, training: dict[str, Any]) -> None:
    """Make features of batches, then train models.

    Args:
        spark: the session.
        training: `asdict` of a `dataproc.Training`.
    """
    from lumbung.models.parameters import Parameters
    from lumbung.spark import mllib
    from lumbung.spark.features import features, write
    from lumbung.spark.train import Job
    from lumbung.spark.train import train as by_arrow

    with tempfile.TemporaryDirectory() as folder:
        for batch in training["features"]:
            file = Path(folder) / "features.parquet"
            rows = write(features(spark, [batch["file"]]), file)
            _put(spark, file, batch["output"])
            print(f"{rows} rows of features in {batch['output']}")  # noqa: T201 - the job's log
        # A model is named by what it is made of: one of a try that was killed need not be trained again.
        models = [model for model in training["models"] if not _exists(spark, model["output"])]
        jobs = [Job(number, model["files"], model["batches"]) for number, model in enumerate(models)]
        way = mllib.train if training["trainer"] == mllib.TRAINER else by_arrow
        for number, content in way(spark, jobs, Parameters(**training["parameters"])) if jobs else ():
            file = Path(folder) / "model.npz"
            file.write_bytes(content)
            output = models[number]["output"]
            is_first = _put(spark, file, output, replace=False)
            what = f"{len(content)} bytes of a model in {output}" if is_first else f"{output} is there, by another job"
            print(what)  # noqa: T201 - the job's log


def contracts(spark: SparkSession, work: dict[str, Any]) -> None:
    """Make the events of contracts, and what contracts and their parties are after them.

    Args:
        spark: the session.
        work: `asdict` of a `dataproc.Contracts`.
    """
    from lumbung.spark.contracts import Inputs, build, write

    chunks = build(
        spark,
        Inputs(**work["inputs"]),
        day=date.fromisoformat(work["day"]),
        schema_version=work["schema_version"],
        holds_removals=work["holds_removals"],
        ranges=[(low, high) for low, high in work["ranges"]],
    )
    with tempfile.TemporaryDirectory() as folder:
        files = {name: Path(folder) / f"{name}.parquet" for name in ("events", "contracts", "parties")}
        write(chunks, **files)
        for name, file in files.items():
            _put(spark, file, work[name])
            print(f"{name} in {work[name]}")  # noqa: T201 - the job's log


def _put(spark: SparkSession, file: Path, address: str, *, replace: bool = True) -> bool:
    """Move a local file to an address, where it is when it is whole.

    Args:
        spark: the session.
        file: the local file.
        address: where it goes.
        replace: whether it replaces a file that is there.

    Returns:
        Whether it did; False: another file is there and stays.
    """
    from py4j.protocol import Py4JJavaError  # type: ignore[import-not-found] # with the cluster's Spark

    system, target = _target(spark, address)
    try:
        system.copyFromLocalFile(True, replace, spark._jvm.org.apache.hadoop.fs.Path(file.as_uri()), target)
    except Py4JJavaError:
        if replace or not system.exists(target):
            raise
        return False
    return True


def _exists(spark: SparkSession, address: str) -> bool:
    system, target = _target(spark, address)
    return bool(system.exists(target))


def _target(spark: SparkSession, address: str) -> tuple[Any, Any]:
    """Hadoop's file system, which has the cluster's credentials, and the path."""
    target = spark._jvm.org.apache.hadoop.fs.Path(address)
    return target.getFileSystem(spark._jsc.hadoopConfiguration()), target


if __name__ == "__main__":
    main(sys.argv[1])
