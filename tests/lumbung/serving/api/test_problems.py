"""Errors over HTTP: each has its type, status and media type, names what is wrong, and tells nothing of the inside."""

import http.client
import json
import socket
from urllib.parse import urlsplit

import pytest

from lumbung.serving.api.bodies import MAX_RATINGS
from lumbung.serving.api.decode import MAX_BYTES
from lumbung.serving.api.problems import KINDS
from support.model_api import KEY, Server

RECOMMEND = "/v1/models/b-1/recommend"


def check(answer, kind: str) -> dict[str, object]:
    """The problem of an answer, which is of a kind and says no more than it may."""
    problem = answer.json()
    assert (answer.status_code, problem["type"]) == (KINDS[kind][0], f"urn:lumbung:problem:{kind}")
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["status"] == answer.status_code
    assert problem["title"] == KINDS[kind][1]
    assert problem["detail"]
    for word in ("Traceback", "Error", "msgspec", "/include/", KEY):
        assert word not in answer.text
    return problem


def pointers(answer) -> list[str]:
    return [error["pointer"] for error in check(answer, "invalid-input")["errors"]]


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ", "Bearer wrong", f"Basic {KEY}", KEY, f"Bearer {KEY}x", f"Bearer {KEY[:-1]}", "Bearer é"],
)
@pytest.mark.parametrize("path", ["/v1/models", "/metrics", "/docs", "/openapi.json", "/nowhere", "/v1/models/b-1"])
def test_no_key(api: Server, path: str, authorization: str):
    answer = api.get(path, headers={"Authorization": authorization.encode("latin-1")})
    check(answer, "unauthenticated")
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_the_scheme_is_not_case_sensitive(api: Server):
    assert api.get("/v1/models", headers={"Authorization": f"bEaReR  {KEY}"}).status_code == 200


@pytest.mark.parametrize(
    "path", ["/nowhere", "/v1", "/v1/models/b-1/", "/v1/models/b-1/recommend/x", "//", "/v1/compare/"]
)
def test_no_such_path(api: Server, path: str):
    check(api.get(path), "not-found")


@pytest.mark.parametrize("name", ["b-9", "c-1", "b-", "latest", "a-2 ", "B-1", "b-1%2Frecommend", "b-01", "%00", "é"])
def test_no_such_model(api: Server, name: str):
    check(api.get(f"/v1/models/{name}"), "model-not-found")
    check(api.post(f"/v1/models/{name}/recommend", {"student_id": "x"}), "model-not-found")


def test_compared_models_exist(api: Server):
    check(api.get("/v1/compare?left=b-1&right=b-9"), "model-not-found")


def test_a_model_without_a_kind(api: Server):
    problem = check(api.post("/v1/models/a-2/cluster", {}), "model-not-found")
    assert "a-2 has no clustering" in problem["detail"]


def test_a_deleted_model(api: Server):
    check(api.post("/v1/models/a-1/recommend", {"student_id": "x"}), "model-pruned")
    assert api.get("/v1/models/a-1/quality").status_code == 200


def test_unknown_course(api: Server):
    check(api.post("/v1/models/b-1/similar", {"course_id": "course-99"}), "course-unknown")
    check(api.post("/v1/models/b-1/predict-rating", {"course_id": "x", "student_id": "student-1"}), "course-unknown")


@pytest.mark.parametrize(
    ("method", "path"), [("GET", RECOMMEND), ("POST", "/v1/models"), ("DELETE", "/"), ("PUT", "/docs")]
)
def test_wrong_method(api: Server, method: str, path: str):
    answer = api.request(method, path)
    check(answer, "method-not-allowed")
    assert answer.headers["allow"] == ("POST" if path == RECOMMEND else "GET, HEAD")


def test_head_has_no_body(api: Server):
    answer = api.request("HEAD", "/v1/models")
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) > 0


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null}",
        b'{"limit": NaN}',
        b"\xef\xbb\xbf{}",
        b'{"student_id": "\xff"}',
        b'{"student_id": "\\ud800"}',
        # A wrong type before the syntax error does not hide it.
        b"student_id=x",
        b'{"limit": "x", ',
        b'{"a": 1} {}',
        '{"student_id": "x"}'.encode("utf-16"),
    ],
)
def test_not_json(api: Server, body: bytes):
    check(api.request("POST", RECOMMEND, data=body), "not-json")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (None, [""]),
        ([], [""]),
        ({}, [""]),
        ({"student_id": "x", "ratings": []}, [""]),
        ({"student_id": ""}, ["/student_id"]),
        ({"student_id": "x" * 201}, ["/student_id"]),
        ({"student_id": 1, "limit": 0}, ["/student_id", "/limit"]),
        ({"student_id": "x", "limit": 101}, ["/limit"]),
        ({"student_id": "x", "limit": 1.5}, ["/limit"]),
        ({"student_id": "x", "limit": True}, ["/limit"]),
        ({"student_id": "x", "limit": 10**30}, ["/limit"]),
        ({"student_id": "x", "a/b~c": 1}, ["/a~1b~0c"]),
        ({"ratings": {}}, ["/ratings"]),
        ({"ratings": None}, ["/ratings"]),
        ({"ratings": [{"course_id": "x", "rating": 5}, {"course_id": "x", "rating": 6}]}, ["/ratings/1/rating"]),
        ({"ratings": [{"course_id": "x"}]}, ["/ratings/0/rating"]),
        ({"ratings": [{"course_id": "x", "rating": 5, "stars": 5}]}, ["/ratings/0/stars"]),
        ({"ratings": [{"course_id": "x", "rating": "5"}], "limit": "5"}, ["/ratings/0/rating", "/limit"]),
        ({"ratings": [{"course_id": "x", "rating": 5}] * (MAX_RATINGS + 1)}, ["/ratings"]),
    ],
)
def test_invalid_body(api: Server, body: object, expected: list[str]):
    assert pointers(api.request("POST", RECOMMEND, data=json.dumps(body))) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('{"minutes": -1, "hour": 24, "device": "", "rating": 0.5}', ["/minutes", "/hour", "/device", "/rating"]),
        ('{"minutes": 1e400}', ["/minutes"]),
        ('{"hour": 12.5}', ["/hour"]),
        ('{"minutes": true, "clock": 3}', ["/clock", "/minutes"]),
    ],
)
def test_invalid_activity(api: Server, body: str, expected: list[str]):
    for function in ("cluster", "predict-completion"):
        assert pointers(api.request("POST", f"/v1/models/b-1/{function}", data=body)) == expected


def test_missing_fields_are_all_named(api: Server):
    assert pointers(api.post("/v1/models/b-1/predict-rating", {})) == ["/student_id", "/course_id"]


@pytest.mark.parametrize("query", ["", "?left=b-1", "?left=b-1&right=b-1&left=b-2", "?LEFT=b-1&right=b-1"])
def test_invalid_query(api: Server, query: str):
    assert pointers(api.get(f"/v1/compare{query}")) in (["/left"], ["/right"], ["/left", "/right"])


@pytest.mark.parametrize("start", ['{"x":', '{"ratings":', '{"student_id":', ""])
def test_deep_body(api: Server, start: str):
    deep = start + "[" * 100_000
    assert pointers(api.request("POST", RECOMMEND, data=deep)) == [""]


def test_long_names_are_not_told_back(api: Server):
    answer = api.post(RECOMMEND, {"x" * 100_000: 1, "student_id": "x"})
    assert len(pointers(answer)) == 1
    assert len(answer.text) < 1000


def test_many_faults_are_not_all_told(api: Server):
    answer = api.post(RECOMMEND, {f"x{number}": 1 for number in range(10_000)})
    check(answer, "invalid-input")
    assert len(answer.text) < 10_000


def test_too_large(api: Server):
    body = json.dumps({"student_id": "x"}).encode()
    assert api.request("POST", RECOMMEND, data=body.ljust(MAX_BYTES)).status_code == 200
    check(api.request("POST", RECOMMEND, data=body.ljust(MAX_BYTES + 1)), "too-large")
    assert api.get("/v1/models").status_code == 200  # by the same connection

    # In chunks, without a Content-Length.
    assert api.request("POST", RECOMMEND, data=iter([body, b" " * 1000])).status_code == 200
    check(api.request("POST", RECOMMEND, data=iter([body, *[b" " * 1024] * 300])), "too-large")


def test_a_large_body_is_refused_before_it_comes(api: Server):
    with socket.create_connection((urlsplit(api.url).hostname, urlsplit(api.url).port), timeout=10) as connection:
        head = (
            f"POST {RECOMMEND} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nContent-Length: {10**12}\r\n\r\n"
        )
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    "junk",
    [
        b"\x00\x01\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
    ],
)
def test_what_is_no_http(api: Server, junk: bytes):
    with socket.create_connection((urlsplit(api.url).hostname, urlsplit(api.url).port), timeout=10) as connection:
        connection.sendall(junk)
        assert connection.recv(100).startswith(b"HTTP/1.1 400 ")
    assert api.get("/healthz").status_code == 200


def test_a_client_that_goes_away(api: Server):
    for _ in range(20):
        connection = http.client.HTTPConnection(urlsplit(api.url).netloc)
        connection.putrequest("POST", RECOMMEND)
        connection.putheader("Authorization", f"Bearer {KEY}")
        connection.putheader("Content-Length", "1000")
        connection.endheaders(b'{"student_id"')
        connection.close()
    assert api.post(RECOMMEND, {"student_id": "x"}).status_code == 200
    assert "Traceback" not in api.log.read_text()
