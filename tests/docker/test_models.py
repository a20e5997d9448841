"""Models through the services: the DAG in Airflow, Kafka, a JVM Spark, and the API with its page."""

import json
import socket
from collections.abc import Iterator

import pytest
import requests
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from support.docker_services import SCHEDULER, crash

DAG_ID = "models"
KEY = "a-key-of-this-test"


@pytest.fixture(scope="module", autouse=True)
def url(stack, images) -> Iterator[str]:
    """The API, with all services up."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    stack.environ |= {"MODELS_PORT": str(port), "LUMBUNG_API_KEYS": KEY}
    stack.env(PROFILES="models,spark")
    stack.up()
    yield f"http://127.0.0.1:{port}"
    stack.compose("down", "--volumes")
    stack.env(PROFILES="local")
    del stack.environ["MODELS_PORT"], stack.environ["LUMBUNG_API_KEYS"]


def ask(url: str, path: str, body: object = None, key: str = KEY) -> requests.Response:
    method = "GET" if body is None else "POST"
    headers = {"Authorization": f"Bearer {key}"}
    return requests.request(method, f"{url}{path}", json=body, headers=headers, timeout=30)


def test_before_a_release_the_api_is_healthy_and_not_ready(url):
    assert requests.get(f"{url}/healthz", timeout=30).ok
    assert requests.get(f"{url}/readyz", timeout=30).status_code == 503
    answer = ask(url, "/v1/models/a-latest/recommend", {"ratings": []})
    assert (answer.status_code, answer.json()["status"]) == (503, 503)


def test_the_dag_trains_on_the_jvm_and_the_api_serves_its_models(stack, url, day):
    stack.wait_for(lambda: DAG_ID in stack.api.dag_ids(), "the DAG")
    assert stack.ended(stack.trigger(day, DAG_ID), DAG_ID) == "success"
    status = json.loads(stack.lumbung("models", "status", "--json"))
    assert len(status["batches"]) == 4
    assert sum(batch["rows"] + batch["rejected"] for batch in status["batches"]) == 20_000
    assert [model["id"] for model in status["models"]] == [
        f"{scheme}-{number}" for scheme in "ab" for number in range(1, 5)
    ]
    stack.wait_for(lambda: ask(url, "/v1/models").ok, "the API to take the release")
    for model in status["models"]:
        answer = ask(url, f"/v1/models/{model['id']}/recommend", {"ratings": [], "limit": 5})
        assert answer.ok, answer.text
        assert len(answer.json()["items"]) == 5
    assert ask(url, "/v1/models", key="another").status_code == 401


def test_a_killed_api_comes_back_with_the_same_answers(stack, url):
    body = {"ratings": [], "limit": 3}
    before = ask(url, "/v1/models/b-latest/recommend", body).json()
    crash(stack, "models-api")
    stack.wait_for(lambda: requests.get(f"{url}/readyz", timeout=30).ok, "the API")
    assert ask(url, "/v1/models/b-latest/recommend", body).json() == before


def test_a_key_of_its_own_is_where_the_documents_say(stack):
    made = stack.compose(
        "run",
        "--rm",
        "--no-deps",
        "-T",
        "-e",
        "LUMBUNG_API_KEYS=",
        "models-api",
        "sh",
        "-c",
        "lumbung models serve --port 8089 & sleep 15; kill $!; cat /var/lib/lumbung/api-key",
    ).stdout
    assert "/var/lib/lumbung/api-key" in made
    assert SCHEDULER  # the same image


def test_the_page_opens_in_a_browser(url, browser):
    browser.get(url)
    WebDriverWait(browser, 30).until(lambda page: page.find_elements(By.CSS_SELECTOR, "input[type=password]"))
