"""The main file of a Dataproc job, `job.py PLAN`: cleans each day of the plan by the cluster's own Spark.

It runs outside this project, with `lumbung.zip` on Python's path. The plan is one line of JSON by `dataproc.stage`.
"""

from __future__ import annotations

import json
import sys
import tempfile
from datetime import date
from pathlib import Path


def main(plan: str) -> None:
    """Clean the days of a plan.

    Args:
        plan: its address.
    """
    from pyspark.sql import SparkSession

    from lumbung.spark.clean import clean_day, write

    spark = SparkSession.builder.config("spark.sql.session.timeZone", "UTC").getOrCreate()
    for day in json.loads(spark.read.text(plan).collect()[0][0]):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "clean.parquet"
            rows = write(clean_day(spark, day["files"], date.fromisoformat(day["day"])), file)
            # By Hadoop's file system, which has the cluster's credentials; an object is there when it is whole.
            jvm = spark._jvm
            target = jvm.org.apache.hadoop.fs.Path(day["output"])
            system = target.getFileSystem(spark._jsc.hadoopConfiguration())
            system.copyFromLocalFile(False, True, jvm.org.apache.hadoop.fs.Path(file.as_uri()), target)
        print(f"{day['day']}: {rows} clean tweets in {day['output']}")  # noqa: T201 - the job's log
    spark.stop()


if __name__ == "__main__":
    main(sys.argv[1])
