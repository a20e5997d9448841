"""The report page in a real browser: it fits, it is quiet, the language switch works, hostile data do not run."""

from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from selenium import webdriver
from selenium.webdriver.common.keys import Keys

from lumbung.report import render
from support.browser import overflow, visit
from support.report_data import clean, empty, hostile

PAGES = {"empty": empty, "clean": clean, "hostile": hostile}


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The pages served over HTTP, as Airflow's UI does; a browser then also asks for an icon."""
    folder = tmp_path_factory.mktemp("pages")
    for name, make in PAGES.items():
        (folder / f"{name}.html").write_text(render(make()), encoding="utf-8")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("width", [1200, 360, 320])
@pytest.mark.parametrize("page", PAGES)
def test_page_fits_and_is_quiet(browser: webdriver.Chrome, address: str, page: str, width: int) -> None:
    visit(browser, f"{address}/{page}.html", width)
    assert browser.execute_script("return window.innerWidth") == width
    assert overflow(browser) <= 0
    for language in ("lang-id", "lang-en"):
        browser.find_element("id", language).click()
        browser.execute_script("document.querySelectorAll('details').forEach(fold => fold.open = true)")
        assert overflow(browser) <= 0
    assert browser.title == "Course report pinter-skuy, 21 November 2026"
    assert browser.get_log("browser") == []
    loaded = browser.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert loaded == []
    browser.find_element("id", "lang-id").click()  # which the browser remembers


@pytest.mark.parametrize("width", [1200, 360])
def test_language_switch(browser: webdriver.Chrome, address: str, width: int) -> None:
    visit(browser, f"{address}/clean.html", width)
    headings = {e.get_attribute("lang"): e for e in browser.find_elements("tag name", "article")}
    assert headings["id"].is_displayed()
    assert not headings["en"].is_displayed()
    browser.find_element("id", "lang-en").click()
    assert headings["en"].is_displayed()
    assert not headings["id"].is_displayed()
    # And by keyboard alone.
    browser.find_element("id", "lang-en").send_keys(Keys.ARROW_LEFT)
    assert headings["id"].is_displayed()
    assert browser.find_element("id", "lang-id").accessible_name == "Indonesia"


def test_bars_have_one_scale(browser: webdriver.Chrome, address: str) -> None:
    visit(browser, f"{address}/clean.html", 1200)
    boxes = browser.find_elements("css selector", "article[lang=id] .wide .bars svg")
    assert len({box.rect["width"] for box in boxes}) == 1
    bars = browser.find_elements("css selector", "article[lang=id] .wide .bars rect")
    assert bars[0].rect["width"] == bars[1].rect["width"] > 100 * bars[2].rect["width"] > 0


def test_dark_scheme(browser: webdriver.Chrome, address: str) -> None:
    def brightness(css: str) -> int:
        colour = browser.execute_script("return getComputedStyle(document.body)[arguments[0]]", css)
        return sum(int(part) for part in colour.removeprefix("rgb(").rstrip(")").split(","))

    for scheme in ("light", "dark"):
        feature = {"name": "prefers-color-scheme", "value": scheme}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        visit(browser, f"{address}/clean.html", 1200)
        assert (brightness("color") > brightness("backgroundColor")) == (scheme == "dark")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
