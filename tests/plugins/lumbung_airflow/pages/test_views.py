"""The pages in Airflow's own, in a real browser: log in, the report in the navigation, a run's page as its tab."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from support import axe
from support.browser import overflow, visit
from support.pages import Pages

SECONDS = 60


@pytest.fixture(scope="module")
def viewer(pages: Pages, browser: Chrome) -> Iterator[Chrome]:
    """A browser in which a viewer is logged in; both pages are made, so that a busy machine is not waited for."""
    for path in ("/lumbung/report", f"/lumbung/run/enrollment/{pages.run_id}"):
        pages.page(path)
    pages.log_in(browser, "/lumbung/report")
    yield browser
    browser.delete_all_cookies()
    browser.get("about:blank")  # Airflow's page asks for news all the time


def wait(browser: Chrome, css: str, text: str = "") -> str:
    """The text of an element, once it is there and has a text in it."""

    def found(page: Chrome) -> str | None:
        texts = [element.text for element in page.find_elements(By.CSS_SELECTOR, css)]
        return next((each for each in texts if text in each), None)

    return WebDriverWait(browser, SECONDS, ignored_exceptions=[Exception]).until(lambda page: found(page) or False)


@contextmanager
def in_frame(browser: Chrome) -> Iterator[None]:
    """Look at what is in the frame."""
    frame = WebDriverWait(browser, SECONDS).until(lambda page: page.find_elements(By.TAG_NAME, "iframe"))[0]
    browser.switch_to.frame(frame)
    try:
        yield
    finally:
        browser.switch_to.default_content()


def test_who_logs_in_comes_back_to_the_page(pages: Pages, viewer: Chrome) -> None:
    assert viewer.current_url == f"{pages.stack.url}/lumbung/report"
    assert wait(viewer, "h1") == "Laporan kursus"
    assert [line for line in viewer.get_log("browser") if line["level"] == "SEVERE"] == []
    assert viewer.find_elements(By.CSS_SELECTOR, "main .save")
    assert axe.faults(viewer) == []


def test_the_report_is_in_the_navigation(pages: Pages, viewer: Chrome) -> None:
    viewer.get(pages.stack.url)
    link = WebDriverWait(viewer, SECONDS).until(lambda page: page.find_elements(By.PARTIAL_LINK_TEXT, "Laporan"))[0]
    link.click()
    with in_frame(viewer):
        assert wait(viewer, "h1") == "Laporan kursus"
        assert overflow(viewer) <= 0
        assert (
            viewer.find_element(By.CSS_SELECTOR, ".save a").get_attribute("href").endswith("/lumbung/report?download")
        )
    assert "/plugin/laporan" in viewer.current_url


def test_a_run_has_a_tab(pages: Pages, viewer: Chrome) -> None:
    viewer.get(f"{pages.stack.url}/dags/enrollment/runs/{quote(pages.run_id, safe='')}")
    tab = WebDriverWait(viewer, SECONDS).until(lambda page: page.find_elements(By.PARTIAL_LINK_TEXT, "Hasil"))[0]
    viewer.execute_script("arguments[0].click()", tab)
    with in_frame(viewer):
        assert wait(viewer, "h1") == "Run untuk 20 November 2026"
        assert "mentor.csv" in wait(viewer, "main", "Dibaca = dimuat + ditolak")
        assert "hanya untuk yang boleh menjalankan DAG ini" in wait(viewer, "main")
        viewer.find_element(By.ID, "lang-en").click()
        assert wait(viewer, "h1", "Run for") == "Run for 20 November 2026"
        viewer.find_element(By.ID, "lang-id").click()


@pytest.mark.parametrize("width", [1200, 390])
def test_a_run_s_page_fits_and_is_quiet(pages: Pages, viewer: Chrome, width: int) -> None:
    viewer.get_log("browser")
    visit(viewer, f"{pages.stack.url}/lumbung/run/enrollment/{pages.run_id}", width)
    try:
        for language in ("lang-en", "lang-id"):
            viewer.find_element(By.ID, language).click()
            viewer.execute_script("document.querySelectorAll('details').forEach(fold => fold.open = true)")
            assert overflow(viewer) <= 0
            assert axe.faults(viewer) == []
        assert viewer.get_log("browser") == []
        loaded = viewer.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
        assert {address.startswith(f"{pages.stack.url}/lumbung/static/") for address in loaded} == {True}
    finally:
        viewer.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
