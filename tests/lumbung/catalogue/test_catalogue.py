"""The catalogue as files, in a real browser and without a server."""

import html
import re
from dataclasses import replace

import pytest
from selenium.webdriver.common.by import By

from lumbung import catalogue
from lumbung.catalogue import entries, pages
from lumbung.serving.read_once import ReadOnce
from lumbung.storage.client_errors import UnavailableError
from support import axe
from support.browser import overflow, visit

TABLES = ("dwh.fact_course", "datamart.model_drift", "staging.account", "staging.tweet", "ops.run_audit")


@pytest.fixture(scope="module")
def site(contracts_only, with_runs, tmp_path_factory):
    """The files of the catalogue, with the runs of those tables that were run."""
    folder = tmp_path_factory.mktemp("catalogue")
    assert catalogue.write(folder, None, contracts_only.settings).absent == "no warehouse was asked"
    runs = {address: with_runs.tables[address] for address in ("dwh.dim_student", "staging.student")}
    both = replace(contracts_only, tables={**contracts_only.tables, **runs}, systems=with_runs.systems, absent="")
    for address in runs:
        (folder / f"{address}.html").write_text(pages.table(both, address), encoding="utf-8")
    return folder


def shown(browser, selector):
    return [element.text for element in browser.find_elements(By.CSS_SELECTOR, selector) if element.is_displayed()]


def tables(browser):
    return [text.split()[-1] for text in shown(browser, ".what > a")]  # after the data set, for those who hear it


def search(browser, words):
    field = browser.find_element(By.ID, "find")
    field.clear()
    field.send_keys(words)


def test_every_table_has_a_page_and_a_contract(site):
    addresses = entries.Catalog().contracts
    assert {path.name for path in site.glob("*.html")} == {"index.html", *(f"{name}.html" for name in addresses)}
    assert {path.name for path in site.glob("odcs/*")} == {f"{name}.odcs.yaml" for name in addresses}
    for path in site.glob("*.html"):
        policy = html.unescape(re.search(r'Content-Security-Policy" content="([^"]+)"', path.read_text())[1])
        assert policy.startswith("default-src 'none'; script-src 'sha256-")


def test_the_search_finds_tables_columns_and_descriptions(browser, site):
    visit(browser, f"{site.as_uri()}/index.html", 1200)
    browser.find_element(By.ID, "lang-en").click()
    everything = len(shown(browser, ".tables > li"))
    assert everything == len(entries.Catalog().contracts)
    search(browser, "space FIRST")  # of names, joined by one
    assert tables(browser) == ["dim_mentor", "dim_student"]
    assert [text.split()[0] for text in shown(browser, ".matches > li")] == ["mentor_name", "student_name"]
    assert browser.find_element(By.ID, "found").text == "2 tables, 2 columns"
    search(browser, "islamic bonds")
    assert tables(browser) == []
    assert browser.find_element(By.ID, "nothing").is_displayed()
    search(browser, "PERSONAL data")
    assert "tax_id" in " ".join(shown(browser, ".matches > li"))
    # The search is in the address, for a link to it.
    visit(browser, "about:blank", 1200)
    visit(browser, f"{site.as_uri()}/index.html#dim_mentor", 1200)
    assert tables(browser) == ["dim_mentor"]
    search(browser, " ")
    assert len(shown(browser, ".tables > li")) == everything
    # An address that is cut off within a letter is searched for nothing.
    visit(browser, "about:blank", 1200)
    visit(browser, f"{site.as_uri()}/index.html#%", 1200)
    search(browser, "dim_mentor")
    assert tables(browser) == ["dim_mentor"]
    assert browser.get_log("browser") == []


def test_lineage_is_followed_by_links_from_an_answer_to_its_source(browser, site):
    visit(browser, f"{site.as_uri()}/index.html", 1200)
    for selector, expected in (
        ("li[data-table='datamart.student_count_by_city'] .what > a", "datamart.student_count_by_city"),
        (".lineage a[href='dwh.dim_student.html#city']", "dwh.dim_student"),
        (".lineage a[href='staging.student.html#city']", "staging.student"),
    ):
        link = browser.find_element(By.CSS_SELECTOR, selector)
        browser.execute_script("arguments[0].scrollIntoView({block: 'center', inline: 'center'})", link)
        link.click()
        assert browser.title.startswith(f"{expected}, ")
    assert browser.current_url.endswith("#city")
    assert "student.json" in browser.find_element(By.CSS_SELECTOR, ".lineage .source").text
    assert browser.get_log("browser") == []


def test_pointing_at_a_column_shows_its_lines(browser, site):
    visit(browser, f"{site.as_uri()}/dwh.fact_course.html", 1200)
    text = browser.find_element(By.CSS_SELECTOR, "[data-column='dwh.fact_course.student_count']")
    browser.execute_script("arguments[0].parentElement.focus()", text)
    lit = [line.get_attribute("data-ends") for line in browser.find_elements(By.CSS_SELECTOR, ".lineage .lit")]
    assert lit == ["staging.course_enrollment.student_id dwh.fact_course.student_count"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 390])
def test_pages_fit_and_axe_finds_nothing(browser, site, width, scheme):
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    for name in ("index", "dwh.dim_student", *TABLES):
        visit(browser, f"{site.as_uri()}/{name}.html", width)
        for language in ("en", "id"):
            browser.find_element(By.ID, f"lang-{language}").click()
            assert overflow(browser) <= 0, name
            if language == "id" or name == "index":
                assert axe.faults(browser) == [], name
        assert browser.get_log("browser") == []
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_live_pages_and_data(harness):
    page = catalogue.page(harness.warehouse, harness.settings)
    assert 'href="catalogue/dwh.dim_student"' in page
    assert "<style>" not in page
    assert 'href="../catalogue"' in catalogue.page(harness.warehouse, harness.settings, "dwh.dim_student")
    data = catalogue.data(harness.warehouse, harness.settings)
    assert data["absent"] == ""
    assert {table["odcs"]["apiVersion"] for table in data["tables"]} == {"v3.2.0"}


def test_while_the_warehouse_is_away_files_are_written_and_live_pages_are_not(tmp_path, contracts_only):
    settings = contracts_only.settings.replace(emulator_host="http://127.0.0.1:1")
    warehouse = ReadOnce(settings)
    warehouse.retry = warehouse.retry.with_timeout(1)
    assert "does not answer" in catalogue.write(tmp_path, warehouse, settings).absent
    for answer in (catalogue.page, catalogue.data):
        with pytest.raises(UnavailableError, match="does not answer"):
            answer(warehouse, settings)
