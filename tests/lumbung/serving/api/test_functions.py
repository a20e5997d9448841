"""Every path of the API, over HTTP: what it answers is what the model of its id says."""

import json

import pytest

from lumbung.core.settings import ROOT
from lumbung.models import model_file
from lumbung.models.predict import Features, Predictor
from lumbung.serving.api.functions import FUNCTIONS
from support.model_api import COURSES, KEY, TITLES, Server, content

SOURCES, NAMES = ROOT / "data-source", ("course", "student")
ACTIVITY = {"minutes": 31.5, "hour": 20, "device": "phone", "rating": 4}
RATINGS = [{"course_id": "course-1", "rating": 5}, {"course_id": "course-9", "rating": 2}]


def test_the_examples_are_of_the_sample_data():
    """The page, its documentation and what is pasted from it are answered by models of synthetic activity."""
    known = {name: {row["id"] for row in json.loads((SOURCES / f"{name}.json").read_bytes())} for name in NAMES}
    examples = [FUNCTIONS[f"/v1/models/{{id}}/{name}"].example for name in ("recommend", "similar", "predict-rating")]
    courses = [row.get("course_id") for example in examples for row in (example, *example.get("ratings", ()))]
    assert known["course"].issuperset(filter(None, courses))
    assert examples[-1]["student_id"] in known["student"]


def predictor(seed: int, *columns: str) -> Predictor:
    return Predictor(model_file.read(content(seed, *columns), "test"))


def items(scored, model: Predictor) -> list[dict[str, object]]:
    return [
        {"course_id": model.courses[i], "title": TITLES.get(model.courses[i]), "score": score} for i, score in scored
    ]


@pytest.mark.parametrize(("name", "model", "seed"), [("b-1", "b-1", 4), ("b-latest", "b-2", 5), ("b-3", "b-3", 6)])
def test_recommend_by_ratings(api: Server, name: str, model: str, seed: int):
    body = {"ratings": [*RATINGS, {"course_id": "unknown", "rating": 3}], "limit": 4}
    expected = predictor(seed).recommend([("course-1", 5), ("course-9", 2)], limit=4)
    assert api.post(f"/v1/models/{name}/recommend", body).json() == {
        "model": model,
        "generation": 1,
        "basis": "als",
        "items": items(expected.items, predictor(seed)),
        "ignored": ["unknown"],
    }


def test_recommend_to_a_student_and_to_one_that_the_model_does_not_know(api: Server):
    known = api.post("/v1/models/b-1/recommend", {"student_id": "student-3", "limit": 100}).json()
    expected = predictor(4).recommend(student_id="student-3", limit=100)
    assert known["items"] == items(expected.items, predictor(4))
    assert known["basis"] == "als"
    assert 0 < len(known["items"]) < len(COURSES)  # without those that the student took
    assert {item["course_id"]: item["title"] for item in known["items"]}.get(COURSES[-1]) is None
    unknown = api.post("/v1/models/b-1/recommend", {"student_id": "nobody"}).json()
    assert (unknown["basis"], len(unknown["items"])) == ("popularity", 10)


def test_a_model_that_popularity_beats_says_so(api: Server):
    answer = api.post("/v1/models/a-latest/recommend", {"student_id": "student-3", "limit": 3}).json()
    expected = predictor(3).recommend(student_id="student-3", limit=3, basis="popularity")
    assert (answer["model"], answer["basis"]) == ("a-3", "popularity")
    assert answer["items"] == items(expected.items, predictor(3))


def test_similar(api: Server):
    answer = api.post("/v1/models/b-1/similar", {"course_id": "course-7", "limit": 3}).json()
    expected = items(predictor(4).similar("course-7", 3), predictor(4))
    assert answer == {"model": "b-1", "generation": 1, "items": expected}


@pytest.mark.parametrize("body", [ACTIVITY, {}, {"minutes": None, "device": "unheard of"}])
def test_cluster_and_completion(api: Server, body: dict[str, object]):
    features = Features(**body)
    cluster, completion = predictor(4).cluster(features), predictor(4).predict_completion(features)
    assert api.post("/v1/models/b-1/cluster", body).json() == {
        "model": "b-1",
        "generation": 1,
        "cluster": cluster.number,
        "distance": cluster.distance,
        "description": cluster.description,
        "centre": cluster.centre._asdict(),
    }
    assert api.post("/v1/models/b-1/predict-completion", body).json() == {
        "model": "b-1",
        "generation": 1,
        **completion._asdict(),
    }


@pytest.mark.parametrize("student", ["student-3", "nobody"])
def test_predict_rating(api: Server, student: str):
    body = {"student_id": student, "course_id": "course-7"}
    expected = predictor(4).predict_rating(student, "course-7")
    assert api.post("/v1/models/b-1/predict-rating", body).json() == {
        "model": "b-1",
        "generation": 1,
        "rating": expected,
    }


def test_models(api: Server):
    listed = api.get("/v1/models").json()
    assert listed["latest"] == {"a": "a-3", "b": "b-2"}
    assert [model["id"] for model in listed["models"]] == ["a-1", "a-2", "a-3", "b-1", "b-2", "b-3"]
    assert [model["id"] for model in listed["models"] if model["latest"]] == ["a-3", "b-2"]
    assert api.get("/v1/models/a-1").json() == {"generation": 1, "model": listed["models"][0]}
    assert listed["models"][1] == {
        "id": "a-2",
        "scheme": "a",
        "number": 2,
        "rows": 400,
        "batches": [2],
        "kinds": ["recommendation"],
        "basis": "als",
        "latest": False,
        "pruned": False,
    }
    assert api.get("/v1/models/b-latest").json()["model"]["id"] == "b-2"


def test_quality_and_comparison(api: Server):
    recall = {"baseline": 0.1, "truth": None, "better": "higher", "rows": 30}
    error = {"baseline": 0.1, "truth": None, "better": "lower", "batch": 2, "rows": 30}
    quality = api.get("/v1/models/b-latest/quality").json()
    assert quality == {
        "model": "b-2",
        "generation": 1,
        "metrics": {"recall_at_20": {"value": 0.3, "batch": 3, **recall}},
    }
    assert api.get("/v1/models/b-3/quality").json()["metrics"] == {}
    compared = api.get("/v1/compare?left=a-1&right=b-1").json()
    assert (compared["left"]["id"], compared["right"]["id"]) == ("a-1", "b-1")
    assert compared["metrics"] == {
        "recall_at_20": {
            "better": "higher",
            "left": {"value": 0.25, "batch": 2, **recall},
            "right": {"value": 0.22, "batch": 2, **recall},
            "winner": "left",
        },
        "rating_rmse": {
            "better": "lower",
            "left": {"value": 0.8, **error},
            "right": {"value": 0.9, **error},
            "winner": "left",
        },
    }
    other = api.get("/v1/compare", params={"left": "b-latest", "right": "b-1"}).json()["metrics"]
    assert other["recall_at_20"]["winner"] is None  # measured on different batches
    assert (other["rating_rmse"]["left"], other["rating_rmse"]["winner"]) == (None, None)


def test_drift_is_what_was_published(api: Server):
    assert api.get("/v1/drift").json() == {
        "generation": 1,
        "drift": [{"batch": 2, "feature": "minutes", "psi": 0.03}],
    }


def test_health_and_metrics(api: Server):
    open_paths = {path: api.get(path, headers={"Authorization": ""}) for path in ("/healthz", "/readyz", "/")}
    assert {path: answer.status_code for path, answer in open_paths.items()} == dict.fromkeys(open_paths, 200)
    assert open_paths["/healthz"].json() == {"status": "ok"}
    assert open_paths["/readyz"].json() == {"generation": 1, "models": 6, "refused": None, "status": "ready"}
    api.post("/v1/models/b-1/similar", {"course_id": "course-7"})
    metrics = api.get("/metrics")
    assert metrics.headers["content-type"].startswith("text/plain; version=0.0.4")
    samples = dict(line.rsplit(" ", 1) for line in metrics.text.splitlines() if not line.startswith("#"))
    path = "/v1/models/{id}/similar"
    count = int(samples[f'lumbung_api_requests_total{{path="{path}",status="200"}}'])
    assert count >= 1
    assert int(samples[f'lumbung_api_request_seconds_bucket{{path="{path}",le="+Inf"}}']) >= count
    assert samples["lumbung_api_release"] == "1"
    assert KEY not in metrics.text


def test_answers_are_not_kept_by_caches(api: Server):
    answer = api.get("/v1/models")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "server" not in answer.headers
