"""Models through the services: the DAG in Airflow, Kafka, a JVM Spark, and the API with its page."""

import json

import pytest
import requests
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from support.docker_services import API_KEY, crash

DAG_ID = "models"


@pytest.fixture
def url(streaming):
    return streaming


def ask(url: str, path: str, body: object = None, key: str = API_KEY) -> requests.Response:
    method = "GET" if body is None else "POST"
    headers = {"Authorization": f"Bearer {key}"}
    return requests.request(method, f"{url}{path}", json=body, headers=headers, timeout=30)


def is_ready(url: str) -> bool:
    try:
        return requests.get(f"{url}/readyz", timeout=30).ok
    except requests.RequestException:
        return False


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
    stack.wait_for(lambda: is_ready(url), "the API")
    assert ask(url, "/v1/models/b-latest/recommend", body).json() == before


def test_a_key_of_its_own_is_where_the_documents_say(stack, streaming):
    serve = "lumbung models serve --port 8089 & sleep 20; kill $!; cat /var/lib/lumbung/api-key"
    made = stack.compose("exec", "-T", "-e", "LUMBUNG_API_KEYS=", "models-api", "sh", "-c", serve)
    assert "The key of the API is in /var/lib/lumbung/api-key" in made.stderr
    assert len(made.stdout.strip()) > 30


def test_the_page_opens_in_a_browser(url, browser):
    browser.get(url)
    WebDriverWait(browser, 30).until(lambda page: page.find_elements(By.CSS_SELECTOR, "input[type=password]"))
