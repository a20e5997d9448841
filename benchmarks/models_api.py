"""What a recommendation costs over HTTP: beside bare numpy at the same pace, and beside Spark in the request.

`python -m benchmarks.models_api FOLDER` is bare numpy, in a process of its own.
"""

import http.client
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import psutil
from threadpoolctl import threadpool_limits

from benchmarks.results import Measure, Took, in_turn
from benchmarks.watch import program
from lumbung.models import model_file
from lumbung.models.predict import Predictor
from lumbung.storage.lake import FolderLake
from support.model_api import Server, Shelf

COURSES, RANK, STUDENTS = 20_000, 32, 5_000
RATED, LIMIT = 10, 20
PER_SECOND, REQUESTS, SPARK_REQUESTS = 200, 2_000, 20
MODEL, BODIES = "model.npz", "bodies.json"
SPARK_PYTHON = Path(__file__).parents[1] / ".venv-spark" / "bin" / "python"
NUMPY, API, SPARK = "bare numpy at the same pace", "the API", "pyspark in the request"

# Spark's own recommendations, as a service does that keeps a session and a model and asks them in each request.
SPARK_PROGRAM = f"""
import json, random, time
from pyspark.ml.recommendation import ALS
from pyspark.sql import SparkSession
session = (
    SparkSession.builder.master("local[2]").config("spark.driver.memory", "1g").config("spark.ui.enabled", "false")
    .config("spark.sql.shuffle.partitions", "2").getOrCreate()
)
session.sparkContext.setLogLevel("ERROR")
dice = random.Random(1)
rows = [(dice.randrange({STUDENTS}), course, float(dice.randint(1, 5))) for course in range({COURSES}) for _ in (1, 2)]
data = session.createDataFrame(rows, "student int, course int, rating float")
als = ALS(userCol="student", itemCol="course", rank={RANK}, maxIter=1, implicitPrefs=True, seed=1)
model = als.fit(data)
times = []
for request in range({SPARK_REQUESTS} + 5):
    started = time.perf_counter()
    student = session.createDataFrame([(dice.randrange({STUDENTS}),)], "student int")
    items = model.recommendForUserSubset(student, {LIMIT}).collect()
    times.append(time.perf_counter() - started)
print(json.dumps({{"seconds": sorted(times[5:])[{SPARK_REQUESTS} // 2], "rows": 1}}))
"""


def make(folder: Path) -> None:
    """Write a model and the bodies of requests."""
    dice = np.random.default_rng(1)
    courses = sorted(f"course-{number}" for number in range(COURSES))
    popularity = dice.integers(1, 1000, COURSES).astype(np.float64)
    arrays = {
        **model_file.pack("course_ids", courses),
        **model_file.pack("student_ids", sorted(f"student-{number}" for number in range(STUDENTS))),
        "course_factors": dice.normal(0, 0.2, (COURSES, RANK)).astype(np.float32),
        "student_factors": dice.normal(0, 0.2, (STUDENTS, RANK)).astype(np.float32),
        "course_prior": 0.1 * np.log1p(popularity) / np.log1p(popularity.max()),
        "popularity": popularity,
        "fold_in": np.array([8.0, 0.03 * COURSES, 0.03, 0]),
        "strength_by_rating": np.array([0.5, 0.7, 1, 1.2, 1.5]),
        "seen_ends": np.arange(1, STUDENTS + 1) * RATED,
        "seen_courses": np.tile(np.arange(RATED, dtype=np.int32), STUDENTS),
    }
    header = model_file.Header(
        trainer="arrow",
        code=1,
        parameters={},
        batches=["0" * 64],
        rows=STUDENTS * RATED,
        kinds=[model_file.RECOMMENDATION],
        devices=[],
    )
    (folder / MODEL).write_bytes(model_file.write(model_file.Model(header, arrays)))
    rated = [dice.choice(COURSES, RATED, replace=False) for _ in range(REQUESTS)]
    bodies = [
        {"ratings": [{"course_id": courses[course], "rating": int(dice.integers(1, 6))} for course in chosen]}
        for chosen in rated
    ]
    (folder / BODIES).write_text(json.dumps([body | {"limit": LIMIT} for body in bodies]))


def paced(number: int) -> Iterator[float]:
    """When each request is due, and not before."""
    start = time.perf_counter()
    for request in range(number):
        due = start + request / PER_SECOND
        time.sleep(max(0.0, due - time.perf_counter()))
        yield due


def numpy(folder: Path) -> dict[str, float]:
    """The arithmetic of each request, and no more: CPU seconds."""
    predictor = Predictor(model_file.read((folder / MODEL).read_bytes(), MODEL))
    factors, bodies = predictor._arrays["course_factors"], json.loads((folder / BODIES).read_text())
    alpha, ridge = 8.0, 0.03 * COURSES
    prior, gram = predictor._arrays["course_prior"].astype(np.float32), factors.T.astype(float) @ factors
    requests = [
        (
            np.array([predictor.courses.find(rating["course_id"]) for rating in body["ratings"]]),
            alpha * np.array([rating["rating"] for rating in body["ratings"]]) / 5,
        )
        for body in bodies
    ]
    with threadpool_limits(1):
        started = time.process_time()
        for _, (seen, weights) in zip(paced(REQUESTS), requests, strict=True):
            rated = factors[seen].astype(np.float64)
            equations = gram + (rated.T * weights) @ rated + ridge * np.eye(RANK)
            scores = factors @ np.linalg.solve(equations, (1 + weights) @ rated).astype(np.float32) + prior
            scores[seen] = -np.inf
            best = np.argpartition(scores, -LIMIT)[-LIMIT:]
            best = best[np.argsort(-scores[best])]
        return {"seconds": time.process_time() - started, "rows": REQUESTS}


def api(folder: Path, times: list[list[float]]) -> Took:
    """The server's CPU seconds and memory; how long each answer took is added to `times`, sorted."""
    bodies = [json.dumps(body).encode() for body in json.loads((folder / BODIES).read_text())]
    with tempfile.TemporaryDirectory(prefix="lumbung-api-") as home:
        lake = Path(home) / "lake"
        shelf = Shelf(FolderLake(lake.as_uri(), lake))
        model = shelf.add("b-1", (folder / MODEL).read_bytes())
        titles = {f"course-{number}": f"Kursus nomor {number} untuk pemula" for number in range(COURSES)}
        shelf.release(model, titles=json.dumps(titles).encode())
        server = Server(Path(home))
        try:
            server.wait_for(1)
            connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=30)
            headers = {"Authorization": f"Bearer {server.key}"}
            process, took = psutil.Process(server.process.pid), []

            def ask(body: bytes) -> None:
                connection.request("POST", "/v1/models/b-1/recommend", body, headers)
                answer = connection.getresponse()
                if len(json.loads(answer.read())["items"]) != LIMIT:
                    raise SystemExit("the API's answer is not whole")

            for body in bodies[:100]:
                ask(body)
            before = process.cpu_times()
            for due, body in zip(paced(REQUESTS), bodies, strict=True):
                ask(body)
                took.append(time.perf_counter() - due)
            after = process.cpu_times()
            times.append(sorted(took))
            peak = next(
                line for line in Path(f"/proc/{process.pid}/status").read_text().splitlines() if "VmHWM" in line
            )
        finally:
            server.close()
    seconds = after.user + after.system - before.user - before.system
    return Took(API, round(seconds, 3), peak_mb=round(int(peak.split()[1]) * 1024 / 1e6), rows=REQUESTS)


def measure(rounds: int, say: Callable[[str], object]) -> list[Measure]:
    """Ask for recommendations over 20,000 courses by 32 factors, 200 times a second."""
    times: list[list[float]] = []
    with tempfile.TemporaryDirectory(prefix="lumbung-api-model-") as name:
        folder = Path(name)
        make(folder)
        command = [sys.executable, "-m", "benchmarks.models_api", folder]
        cpu = in_turn({NUMPY: partial(program, NUMPY, command), API: partial(api, folder, times)}, rounds, say)
    best = min(times, key=lambda took: took[len(took) // 2])
    median, slow = best[len(best) // 2], best[len(best) * 99 // 100]
    spark = in_turn(
        {SPARK: lambda: program(SPARK, [SPARK_PYTHON, "-c", SPARK_PROGRAM], {"PYSPARK_PYTHON": str(SPARK_PYTHON)})},
        1,
        say,
    )[0]
    # Seconds have two decimals on the page, so they are those of a thousand requests.
    latencies = [
        Took(SPARK, round(spark.seconds * 1000, 2), peak_mb=spark.peak_mb),
        Took(API, round(median * 1000, 2), peak_mb=cpu[1].peak_mb),
    ]
    return [
        Measure(
            f"Recommendations over HTTP, CPU of {REQUESTS:,} requests, {PER_SECOND} a second",
            "at most 3 times bare numpy, 120 MB, and 25 ms for 99 of 100 answers on a calm machine",
            cpu,
            [
                f"{COURSES:,} courses by {RANK} factors; each request brings {RATED} ratings and gets {LIMIT} courses. "
                f"Half of the answers came within {median * 1000:.1f} ms, 99 of 100 within {slow * 1000:.1f} ms. Bare "
                "numpy solves, scores and sorts at the same pace: no HTTP, no JSON, no keys, no ids, no titles."
            ],
        ),
        Measure(
            "Recommendations over HTTP, median of an answer",
            "at most 0.02 of pyspark in the request, and 0.15 of its memory",
            latencies,
            [
                "Seconds are those of 1,000 requests one after another at the median. pyspark keeps its session and "
                "its model (ALS, recommendForUserSubset), and nothing of HTTP is counted for it; its memory is that of "
                "the JVM alone."
            ],
        ),
    ]


if __name__ == "__main__":
    print(json.dumps(numpy(Path(sys.argv[1]))))
