"""The page of the API in a real browser: it asks for the key, tries each function, and runs nothing of others."""

from collections.abc import Callable

import pytest
from selenium import webdriver
from selenium.webdriver.support.ui import Select, WebDriverWait

from lumbung.serving.api.functions import FUNCTIONS
from lumbung.serving.api.routes import READS
from support.browser import overflow, visit
from support.model_api import KEY, TITLES, Server


def fill(browser: webdriver.Chrome, field: str, text: str) -> None:
    browser.find_element("id", field).clear()
    browser.find_element("id", field).send_keys(text)


@pytest.fixture
def ask(browser: webdriver.Chrome, api: Server) -> Callable[[str], tuple[str, str]]:
    """Choose a path on the page and try it; gives the status and the answer that it shows."""
    visit(browser, api.url, 1200)
    fill(browser, "key", KEY)

    def choose(path: str) -> tuple[str, str]:
        Select(browser.find_element("id", "path")).select_by_value(path)
        browser.execute_script("document.getElementById('status').textContent = ''")
        browser.find_element("id", "try").click()
        WebDriverWait(browser, 10).until(lambda page: page.find_element("id", "status").text)
        return browser.find_element("id", "status").text, browser.find_element("id", "answer").text

    return choose


@pytest.mark.parametrize("width", [1200, 360])
def test_the_page_fits_and_loads_nothing_else(browser: webdriver.Chrome, api: Server, width: int):
    visit(browser, api.url, width)
    assert overflow(browser) <= 0
    assert browser.title == "Lumbung: models"
    assert browser.get_log("browser") == []
    assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0
    page = browser.page_source
    assert not [word for word in (KEY, "Judul", "student-3") if word in page]


@pytest.mark.parametrize("path", [*FUNCTIONS, *READS])
def test_each_function(browser: webdriver.Chrome, ask, path: str):
    status, answer = ask(path)
    assert status.startswith("200 OK")
    assert '"generation": 1' in answer
    assert overflow(browser) <= 0
    assert browser.get_log("browser") == []


def test_titles_are_text(browser: webdriver.Chrome, ask):
    _, answer = ask("/v1/models/{id}/recommend")
    assert any(title in answer for title in TITLES.values())  # with <b> as it is
    assert browser.execute_script("return document.querySelectorAll('#answer *').length") == 0


def test_models_are_offered_and_errors_are_shown(browser: webdriver.Chrome, ask):
    ask("/v1/models")
    offered = browser.execute_script("return [...document.querySelectorAll('#models option')].map(o => o.value)")
    assert offered == ["a-1", "a-2", "a-3", "b-1", "b-2", "b-3"]
    ask("/v1/models/{id}/similar")
    fill(browser, "model", "b-9")
    status, answer = ask("/v1/models/{id}/similar")
    assert status.startswith("404")
    assert "model-not-found" in answer
    fill(browser, "key", "wrong")
    status, answer = ask("/v1/drift")
    assert status.startswith("401")
    assert "unauthenticated" in answer
    browser.get_log("browser")


def test_without_a_key_nothing_is_sent(browser: webdriver.Chrome, api: Server):
    visit(browser, api.url, 1200)
    browser.find_element("id", "try").click()
    assert browser.find_element("css selector", "#key:invalid")
    assert browser.find_element("id", "status").text == ""


def test_documentation(browser: webdriver.Chrome, ask):
    browser.find_element("id", "read").click()
    WebDriverWait(browser, 10).until(lambda page: page.find_elements("css selector", "#docs h2"))
    text = browser.find_element("id", "docs").text
    assert all(path in text for path in (*FUNCTIONS, *READS))
    visit(browser, browser.current_url, 360)
    fill(browser, "key", KEY)
    browser.find_element("id", "read").click()
    WebDriverWait(browser, 10).until(lambda page: page.find_elements("css selector", "#docs h2"))
    assert overflow(browser) <= 0
    status = browser.find_element("css selector", "#docs td")
    assert browser.execute_script("return arguments[0].clientHeight", status) < 50, "200 is on one line"
    assert browser.get_log("browser") == []


def test_scripts_of_others_do_not_run(browser: webdriver.Chrome, api: Server):
    visit(browser, api.url, 1200)
    browser.execute_script(
        "const s = document.createElement('script'); s.textContent = 'window.ran = true'; document.body.append(s)"
    )
    assert browser.execute_script("return window.ran") is None
    assert "Content Security Policy" in str(browser.get_log("browser"))
    policy = api.get("/").headers["content-security-policy"]
    assert "'unsafe-inline'" not in policy
    assert "default-src 'none'" in policy
