"""Models trained by Spark's own machine learning, for what a worker's memory does not hold; a JVM's Spark only."""

from __future__ import annotations

import contextlib
import gc
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from lumbung.core.errors import LumbungError
from lumbung.spark.train import Job, empty

if TYPE_CHECKING:
    import numpy as np
    from pyspark.ml.classification import LogisticRegressionModel
    from pyspark.ml.clustering import KMeansModel
    from pyspark.ml.recommendation import ALS, ALSModel
    from pyspark.sql import Column, DataFrame, SparkSession

    from lumbung.models.model_file import Model
    from lumbung.models.parameters import Parameters
    from lumbung.models.rows import Rows

    type Array = np.ndarray[Any, Any]
    type Arrays = dict[str, Array]

TRAINER = "mllib"
# Part of a model's key: raise it for models to be trained again by new rules.
MLLIB_VERSION = 1
# Spark's own default; it multiplies it by how many courses a student has, or students a course.
RIDGE = RATING_RIDGE = 0.1
# A block of factors for so many rows, up to Spark's default: a shuffle of small ones takes longer than the rest.
BLOCK_ROWS, MOST_BLOCKS = 500_000, 10


def train(session: SparkSession, jobs: Sequence[Job], parameters: Parameters) -> Iterator[tuple[int, bytes]]:
    """Train models one after another, by ALS, k-means and logistic regression of Spark.

    The files of models have the same arrays as those of `lumbung.spark.train`, and predictions from them are those of
    Spark's models. Of each row some 40 bytes come to this process, as a model's file holds who took which course. The
    same rows need not give the same bytes: Spark adds up in the order in which tasks end.

    Args:
        session: of a JVM's Spark: of a Spark Connect server, or a job's own.
        jobs: the models.
        parameters: of the training; `rating_shrinkage` and `rating_regularization` are not Spark's.

    Yields:
        Each model's number and its file's content.

    Raises:
        LumbungError: the engine has no machine learning, or a model's files have no rows.
    """
    from pyspark.errors import UnsupportedOperationException

    from lumbung.models import model_file

    for job in jobs:
        rows = session.read.parquet(*job.files)
        if rows.isEmpty():
            raise empty(job.number)
        try:
            with _collected_between_calls(), warnings.catch_warnings():
                # Of the window that numbers ids, which are much fewer than rows.
                warnings.filterwarnings("ignore", ".*No Partition Defined")
                model = fit(rows, parameters, job.batches).model
        except UnsupportedOperationException as error:
            raise LumbungError(
                "this Spark has no machine learning of its own",
                where="LUMBUNG_SPARK",
                remedy="train by `arrow`, or set it to a Spark Connect server of the JVM (sc://host:port) or Dataproc",
            ) from error
        yield job.number, model_file.write(model)


@contextlib.contextmanager
def _collected_between_calls() -> Iterator[None]:
    """Collect garbage at the end only.

    A model of Spark Connect that is collected calls the server, to be deleted there. Where that happens inside another
    call, which may be at any allocation, it waits for the client's lock that this call holds, and for ever.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.collect()
        if enabled:
            gc.enable()


@dataclass(frozen=True)
class Fitted:
    """A model and what it was made of.

    Attributes:
        model: the model.
        recommender: of its recommendations.
        rater: of its ratings less their mean; None: there are none.
        means: of its clusters, in Spark's order; None: there are no features.
        regression: of its completion; None: nothing, or only one value, is known of it.
    """

    model: Model
    recommender: ALSModel
    rater: ALSModel | None = None
    means: KMeansModel | None = None
    regression: LogisticRegressionModel | None = None


def fit(rows: DataFrame, parameters: Parameters, batches: list[str]) -> Fitted:
    """A model of all kinds that the rows have values for.

    Args:
        rows: features of batches.
        parameters: of the training.
        batches: sha256 of each batch's file, in order.
    """
    from lumbung.models.model_file import CLUSTERING, COMPLETION, KINDS, RATING, RECOMMENDATION, Header, Model

    coded, codes = _coded(rows)
    try:
        arrays, recommender = _recommendation(coded, codes, parameters)
        kinds, rater, means, regression = {RECOMMENDATION}, None, None, None
        if codes.known("rating").any():
            kinds.add(RATING)
            rating, rater = _rating(coded, codes, parameters)
            arrays |= rating
        if scaler := _scaler(coded, codes.devices):
            space = _scaled(coded, codes.devices, scaler).persist()
            try:
                clusters, means = _clustering(space, parameters)
                kinds.add(CLUSTERING)
                arrays |= scaler | clusters
                if codes.known("completed").any():
                    kinds.add(COMPLETION)
                    completion, regression = _completion(space, len(scaler["feature_mean"]), parameters)
                    arrays |= completion
            finally:
                space.unpersist()
    finally:
        coded.unpersist()
    header = Header(
        trainer=TRAINER,
        code=MLLIB_VERSION,
        parameters={name: float(value) for name, value in asdict(parameters).items()},
        batches=batches,
        rows=len(codes),
        kinds=[kind for kind in KINDS if kind in kinds],
        devices=codes.devices,
    )
    return Fitted(Model(header, arrays), recommender, rater, means, regression)


def _coded(rows: DataFrame) -> tuple[DataFrame, Rows]:
    """The rows with `student` and `course`, indices of the sorted ids, persisted; and the same in this process."""
    import numpy as np
    from pyspark.sql import Window
    from pyspark.sql import functions as f

    from lumbung.models.rows import MOST_DEVICES, NUMBERS, Rows

    codings, ids = [], {}
    for name in ("student", "course"):
        distinct = rows.select(f"{name}_id").distinct()
        place = f.row_number().over(Window.orderBy(f"{name}_id")) - 1
        coding = distinct.withColumn(name, place).persist()
        ids[name] = coding.orderBy(name).toArrow()[f"{name}_id"].to_pylist()
        codings.append(coding)
        rows = rows.join(coding, f"{name}_id")
    rows = rows.persist()
    counted = rows.where("device is not null").groupBy("device").count()
    frequent = counted.orderBy(f.desc("count"), "device").limit(MOST_DEVICES).toArrow()["device"].to_pylist()
    local = rows.select("student", "course", "strength", "rating", f.col("completed").cast("double")).toArrow()
    for coding in codings:  # no longer needed: of all rows the codes are kept now
        coding.unpersist()
    unknown = np.full(local.num_rows, np.nan)
    numbers = {name: local[name].to_numpy() if name in local.column_names else unknown for name in NUMBERS}
    student, course = (local[name].to_numpy().astype(np.int64) for name in ("student", "course"))
    return rows, Rows(ids["student"], ids["course"], sorted(frequent), student, course, -np.ones_like(student), numbers)


def _recommendation(coded: DataFrame, codes: Rows, parameters: Parameters) -> tuple[Arrays, ALSModel]:
    import numpy as np
    from pyspark.sql import functions as f

    from lumbung.models.recommendation import around

    taken = coded.groupBy("student", "course").agg(f.sum("strength").alias("strength"))
    als = _als(codes, parameters).setRatingCol("strength").setImplicitPrefs(True).setAlpha(parameters.alpha)
    model = als.setRank(int(parameters.rank)).setMaxIter(int(parameters.iterations)).setRegParam(RIDGE).fit(taken)
    arrays = {
        "student_factors": _factors(model.userFactors, len(codes.students), model.rank),
        "course_factors": _factors(model.itemFactors, len(codes.courses), model.rank),
        # Spark's ridge is for each course of a student, whatever its weight.
        "fold_in": np.array([parameters.alpha, 0, 0, RIDGE]),
    }
    return arrays | around(codes, parameters.prior_weight), model


def _rating(coded: DataFrame, codes: Rows, parameters: Parameters) -> tuple[Arrays, ALSModel]:
    """Of ratings less their mean, since a ridge draws what it knows little of towards zero."""
    import numpy as np
    from pyspark.sql import functions as f

    mean = float(codes.numbers["rating"][codes.known("rating")].mean())
    residuals = coded.where("rating is not null").withColumn("residual", f.col("rating") - f.lit(mean))
    als = _als(codes, parameters).setRatingCol("residual").setRegParam(RATING_RIDGE)
    model = als.setRank(int(parameters.rating_rank)).setMaxIter(int(parameters.rating_iterations)).fit(residuals)
    return {
        "rating_mean": np.array(mean),
        "rating_student_bias": np.zeros(len(codes.students)),
        "rating_course_bias": np.zeros(len(codes.courses)),
        "rating_student_factors": _factors(model.userFactors, len(codes.students), model.rank),
        "rating_course_factors": _factors(model.itemFactors, len(codes.courses), model.rank),
    }, model


def _als(codes: Rows, parameters: Parameters) -> ALS:
    from pyspark.ml.recommendation import ALS

    blocks = min(MOST_BLOCKS, 2 + len(codes) // BLOCK_ROWS)
    return ALS(
        userCol="student", itemCol="course", numUserBlocks=blocks, numItemBlocks=blocks, seed=int(parameters.seed)
    )


def _factors(frame: DataFrame, count: int, rank: int) -> Array:
    """(count, rank); zeros where Spark has none."""
    import numpy as np

    table = frame.toArrow()
    factors = np.zeros((count, rank), np.float32)
    factors[table["id"].to_numpy()] = table["features"].combine_chunks().flatten().to_numpy().reshape(-1, rank)
    return factors


def _features(devices: Sequence[str]) -> list[Column]:
    """Each feature, null where it is missing, in the order of `Rows.features`."""
    from pyspark.sql import functions as f

    from lumbung.models.model_file import NUMERIC_FEATURES

    device = f.col("device")
    known = device.isin(*devices) if devices else f.lit(False)
    numeric = [f.col(name).cast("double") for name in NUMERIC_FEATURES]
    return numeric + [f.when(known, (device == name).cast("double")) for name in devices]


def _scaler(coded: DataFrame, devices: Sequence[str]) -> Arrays:
    """Mean and standard deviation of each feature, as `lumbung.models.clustering.scaler`; empty: there are none."""
    import numpy as np
    from pyspark.sql import functions as f

    features = _features(devices)
    row = coded.agg(*map(f.avg, features), *map(f.stddev_pop, features)).collect()[0]
    if all(value is None for value in row):
        return {}
    mean, deviation = np.array([value or 0.0 for value in row]).reshape(2, -1)
    # A constant's deviation may come out as a rounding error.
    varies = deviation > 1e-9 * np.maximum(np.abs(mean), 1)
    return {"feature_mean": mean, "feature_scale": np.where(varies, deviation, 1.0)}


def _scaled(coded: DataFrame, devices: Sequence[str], scaler: Arrays) -> DataFrame:
    """`space`, the scaled features of each row, where what is missing is the mean, and `completed`."""
    from pyspark.ml.feature import VectorAssembler
    from pyspark.sql import functions as f

    statistics = zip(_features(devices), scaler["feature_mean"].tolist(), scaler["feature_scale"].tolist(), strict=True)
    names = [f"feature_{number}" for number in range(len(scaler["feature_mean"]))]
    scaled = [
        f.coalesce((feature - f.lit(mean)) / f.lit(scale), f.lit(0.0)).alias(name)
        for name, (feature, mean, scale) in zip(names, statistics, strict=True)
    ]
    frame = coded.select(f.col("completed").cast("double").alias("completed"), *scaled)
    return VectorAssembler(inputCols=names, outputCol="space").transform(frame).select("space", "completed")


def _clustering(space: DataFrame, parameters: Parameters) -> tuple[Arrays, KMeansModel]:
    import numpy as np
    from pyspark.ml.clustering import KMeans

    model = KMeans(k=int(parameters.clusters), maxIter=100, seed=int(parameters.seed), featuresCol="space").fit(space)
    centres, sizes = np.array(model.clusterCenters()), model.summary.clusterSizes
    order = sorted(
        (cluster for cluster in range(len(centres)) if sizes[cluster]),
        key=lambda cluster: (-sizes[cluster], *centres[cluster].tolist()),
    )
    return {"cluster_centres": centres[order]}, model


def _completion(
    space: DataFrame, features: int, parameters: Parameters
) -> tuple[Arrays, LogisticRegressionModel | None]:
    import numpy as np
    from pyspark.ml.classification import LogisticRegression
    from pyspark.ml.functions import vector_to_array
    from pyspark.sql import functions as f

    from lumbung.models import prediction

    known = space.where("completed is not null")
    completed = known.select("completed").toArrow()["completed"].to_numpy()
    base = completed.mean()
    if base in (0, 1):
        return prediction.completion(np.empty((0, features)), completed, parameters), None
    # scikit-learn's objective: the ridge is beside the sum of all rows' losses, not beside their mean.
    model = LogisticRegression(
        featuresCol="space",
        labelCol="completed",
        regParam=parameters.completion_regularization / len(completed),
        standardization=False,
    ).fit(known)
    predicted = model.transform(known).select(
        vector_to_array(f.col("probability"))[1].alias("probability"), "completed"
    )
    table = predicted.toArrow()
    threshold = prediction.best_threshold(table["probability"].to_numpy(), table["completed"].to_numpy())
    return {
        "completion_weights": model.coefficients.toArray(),
        "completion_bias": np.array(model.intercept),
        "completion_threshold": np.array(threshold),
        "completion_base": np.array(base),
    }, model
