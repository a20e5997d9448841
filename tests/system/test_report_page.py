"""The report page in a real browser: it fits, it is quiet, it does what it offers, hostile data do not run."""

import csv
import json
import shutil
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from urllib.parse import parse_qs, urlsplit

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select, WebDriverWait

from lumbung.report import page, render, rows
from support import axe
from support.browser import overflow, visit
from support.report_data import HOSTILE, big, clean, empty, hostile

PAGES = {"empty": empty, "clean": clean, "hostile": hostile, "big": big}
SCHEMES = [(1200, "light"), (1200, "dark"), (390, "dark")]
FRAME = '<link rel="icon" href="data:,"><iframe id="frame" src="report.html"></iframe>'
SANDBOX = "allow-scripts allow-same-origin allow-forms allow-downloads"  # that of Airflow's frames
ELSEWHERE = "https://localhost:9/"  # nothing answers there


class Quiet(SimpleHTTPRequestHandler):
    """Files, and what a live page asks for.

    Attributes:
        held: the value whose rows are answered only when `released` is set; empty: none.
        released: see `held`.
    """

    held = ""
    released = Event()

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        asked = {name: value for name, (value, *_) in parse_qs(url.query, keep_blank_values=True).items()}
        if url.path == "/live/api/report":
            self.answer(rows(big(), asked["table"], int(asked["offset"])))
        elif url.path == "/live/api/rows/pinter_skuy":
            offset = int(asked["offset"])
            if asked["value"] == self.held:
                self.released.wait(60)
            found = [
                [HOSTILE[0], asked["by"], asked["value"], number] for number in range(offset, min(offset + 50, 70))
            ]
            self.answer({"columns": ["a", "b", "c", "d"], "total": 70, "limit": 50, "rows": found})
        else:
            super().do_GET()

    def answer(self, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Length", f"{len(body)}")
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The pages served over HTTP, as Airflow's UI does; a browser then also asks for an icon."""
    folder = tmp_path_factory.mktemp("pages")
    for name, make in PAGES.items():
        (folder / f"{name}.html").write_text(render(make()), encoding="utf-8")
    (folder / "live" / "static").mkdir(parents=True)
    (folder / "live" / "report.html").write_text(render(big(), live=True), encoding="utf-8")
    (folder / "live" / "frame.html").write_text(FRAME)
    (folder / "live" / "sandbox.html").write_text(FRAME.replace("src=", f'sandbox="{SANDBOX}" src='))
    for name in page.STATIC:
        shutil.copy(page.FOLDER / name, folder / "live" / "static")
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


def emulate(browser: webdriver.Chrome, scheme: str) -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}] if scheme else []
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


@pytest.mark.parametrize(("width", "scheme"), SCHEMES)
@pytest.mark.parametrize("name", ["clean", "big"])
def test_a_page_keeps_nobody_out(browser: webdriver.Chrome, address: str, name: str, width: int, scheme: str) -> None:
    emulate(browser, scheme)
    visit(browser, f"{address}/{name}.html", width)
    browser.execute_script("document.querySelectorAll('details').forEach(fold => fold.open = true)")
    for language in ("lang-en", "lang-id"):
        browser.find_element("id", language).click()
        assert axe.faults(browser) == []
    emulate(browser, "")


def table(browser: webdriver.Chrome, name: str, language: str = "id") -> WebElement:
    """The unfolded table of a name, with what is around it."""
    return browser.execute_script(
        "const fold = document.querySelector(`article[lang=${arguments[1]}] [data-table=${arguments[0]}].scroll`)"
        ".closest('details'); fold.open = true; return fold;",
        name,
        language,
    )


def cells(fold: WebElement) -> list[list[str]]:
    return [
        [cell.text for cell in row.find_elements(By.CSS_SELECTOR, "th, td")]
        for row in fold.find_elements(By.CSS_SELECTOR, "tbody tr")
    ]


def press(fold: WebElement, text: str) -> None:
    next(button for button in fold.find_elements(By.TAG_NAME, "button") if text in button.text).click()


def test_a_table_is_searched_sorted_and_drawn_further(browser: webdriver.Chrome, address: str) -> None:
    visit(browser, f"{address}/big.html", 1200)
    fold = table(browser, "pinter_skuy-city")
    assert len(cells(fold)) == 20
    assert "20 dari 250 baris (250 yang pertama; semuanya 10.000)" in fold.text
    assert 'lumbung query --csv "SELECT * FROM datamart.student_count_by_city"' in fold.text
    press(fold, "Tampilkan lagi")
    assert len(cells(fold)) == 120
    largest = cells(fold)[0]
    fold.find_element(By.TAG_NAME, "input").send_keys(largest[0])
    assert largest in cells(fold)
    assert all(largest[0] in name for name, _ in cells(fold))
    fold.find_element(By.TAG_NAME, "input").send_keys(Keys.CONTROL + "a", Keys.DELETE)
    press(fold, "Siswa")
    assert cells(fold)[0] == largest
    press(fold, "Siswa")
    counts = [int(count) for _, count in cells(fold)]
    assert counts == sorted(counts)
    assert fold.find_element(By.CSS_SELECTOR, "[aria-sort]").get_attribute("aria-sort") == "ascending"
    assert not fold.find_elements(By.CLASS_NAME, "drill"), "a file has no server to ask"


def test_a_day_is_picked(browser: webdriver.Chrome, address: str) -> None:
    visit(browser, f"{address}/clean.html", 1200)
    fold = table(browser, "pinter_skuy-daily")
    Select(fold.find_element(By.TAG_NAME, "select")).select_by_visible_text("20 November 2026")
    assert cells(fold) == [["20 November 2026", name, "45"] for name in ("akuntansi", "data")]
    chart = browser.find_element(By.CSS_SELECTOR, "article[lang=id] .lines")
    assert chart.find_element(By.CLASS_NAME, "value").text == "46 pendaftaran"
    picker = chart.find_element(By.XPATH, "preceding-sibling::div[1]//select")
    Select(picker).select_by_visible_text("19 November 2026")
    assert chart.find_element(By.CLASS_NAME, "value").text == "44 pendaftaran"
    webdriver.ActionChains(browser).move_to_element(chart.find_element(By.TAG_NAME, "svg")).perform()
    assert browser.find_element(By.CLASS_NAME, "tip").text == "20 November 2026: 45"


def test_a_bar_says_its_share(browser: webdriver.Chrome, address: str) -> None:
    visit(browser, f"{address}/clean.html", 1200)
    for name, share in (("category", "62,2 % dari semua pendaftaran"), ("top-mentor", "27,0 % dari semua pendaftaran")):
        row = browser.find_element(By.CSS_SELECTOR, f"article[lang=id] ul[data-table=pinter_skuy-{name}] li")
        browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", row)
        webdriver.ActionChains(browser).move_to_element(row).perform()
        assert browser.find_element(By.CLASS_NAME, "tip").text == share


def saved(browser: webdriver.Chrome, folder: Path, fold: WebElement, name: str) -> list[list[str]]:
    """What a table's CSV has."""
    downloads = {"behavior": "allow", "downloadPath": f"{folder}"}
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", downloads)
    press(fold, "CSV")
    file = folder / f"{name}.csv"
    WebDriverWait(browser, 20).until(lambda _: file.exists())
    with file.open(encoding="utf-8-sig", newline="") as text:
        return list(csv.reader(text))


def test_hostile_rows_are_texts_also_where_the_script_draws_and_saves_them(
    browser: webdriver.Chrome, address: str, tmp_path: Path
) -> None:
    visit(browser, f"{address}/hostile.html", 1200)
    fold = table(browser, "pinter_skuy-category")
    press(fold, "Kategori")
    names = {name for name, *_ in cells(fold)}
    assert {HOSTILE[0], r"Abu \u202eevil\u2066 \ud800 \x00", "tanpa nama"} <= names
    rejects = saved(browser, tmp_path, table(browser, "rejects"), "rejects")
    assert rejects[1][0] == HOSTILE[0]
    assert len(rejects) == 101
    assert browser.title != "ran"
    assert browser.get_log("browser") == []


def test_the_language_is_remembered(browser: webdriver.Chrome, address: str) -> None:
    visit(browser, f"{address}/clean.html", 1200)
    browser.find_element("id", "lang-en").click()
    visit(browser, f"{address}/empty.html", 1200)
    assert browser.title == "Course report pinter-skuy, 21 November 2026"
    assert browser.execute_script("return document.documentElement.lang") == "en"
    assert browser.find_element(By.TAG_NAME, "h1").is_displayed() is False
    browser.find_element("id", "lang-id").click()
    assert browser.execute_script("return document.documentElement.lang") == "id"


def test_a_live_page_in_a_frame_follows_its_theme(browser: webdriver.Chrome, address: str) -> None:
    visit(browser, f"{address}/live/frame.html", 1200)
    browser.execute_script("document.documentElement.className = 'dark'")
    theme = "return getComputedStyle(document.documentElement).colorScheme"
    browser.switch_to.frame("frame")
    assert browser.execute_script(theme) == "dark"
    browser.switch_to.default_content()
    browser.execute_script("document.documentElement.className = 'light'")
    browser.switch_to.frame("frame")
    assert browser.execute_script(theme) == "light"
    browser.switch_to.default_content()
    assert browser.get_log("browser") == []


@pytest.mark.parametrize("target", ["_blank", ""])
def test_a_link_to_elsewhere_opens_a_tab_from_a_sandboxed_frame(
    browser: webdriver.Chrome, address: str, target: str
) -> None:
    visit(browser, f"{address}/live/sandbox.html", 1200)
    before = browser.current_window_handle
    browser.switch_to.frame("frame")
    link = browser.execute_script(
        "const link = document.createElement('a'); link.textContent = 'elsewhere';"
        "Object.assign(link, { href: arguments[0], target: arguments[1], rel: 'noopener noreferrer' });"
        "document.body.prepend(link); return link;",
        ELSEWHERE,
        target,
    )
    link.click()
    WebDriverWait(browser, 20).until(lambda _: len(browser.window_handles) == 2)
    assert link.text == "elsewhere", "the page in the frame stays"
    (opened,) = set(browser.window_handles) - {before}
    browser.switch_to.window(opened)
    WebDriverWait(browser, 20).until(lambda _: browser.current_url == ELSEWHERE)
    assert browser.execute_script("return window.opener") is None
    browser.close()
    browser.switch_to.window(before)
    browser.get_log("browser")  # Chromium warns of such a sandbox


def test_a_live_page_shows_the_rows_behind_a_bar_and_asks_for_all_rows(
    browser: webdriver.Chrome, address: str, tmp_path: Path
) -> None:
    visit(browser, f"{address}/live/report.html", 1200)
    city = browser.find_element(By.CSS_SELECTOR, "article[lang=id] ul[data-table=pinter_skuy-city] .drill")
    name = city.text
    city.click()
    panel = browser.find_element(By.TAG_NAME, "dialog")
    WebDriverWait(browser, 20).until(lambda _: "Baris 1 sampai 50 dari 70" in panel.text)
    assert cells(panel)[0] == [HOSTILE[0], "city", name, "0"]
    assert axe.faults(browser) == []
    press(panel, "Berikutnya")
    WebDriverWait(browser, 20).until(lambda _: "Baris 51 sampai 70 dari 70" in panel.text)
    assert browser.switch_to.active_element.text == "Sebelumnya", "this is the last page: there is no next one"
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    WebDriverWait(browser, 20).until(lambda _: "Baris 1 sampai 50 dari 70" in panel.text)
    assert browser.switch_to.active_element.text == "Berikutnya"
    assert panel.find_element(By.TAG_NAME, "a").get_attribute("href").endswith("&format=csv")
    press(panel, "Tutup")
    fold = table(browser, "pinter_skuy-city")
    assert len(saved(browser, tmp_path, fold, "pinter_skuy-city")) == 10_001
    fold = table(browser, "pinter_skuy-daily")
    picker = fold.find_element(By.TAG_NAME, "select")
    picker.send_keys("")  # which gives it the focus: the page has the last days only
    WebDriverWait(browser, 20).until(lambda _: len(Select(picker).options) == 401)
    Select(picker).select_by_value("2025-11-21")
    assert {day for day, *_ in cells(fold)} == {"21 November 2025"}
    assert browser.get_log("browser") == []


def test_a_panel_shows_only_the_rows_it_was_opened_for(
    browser: webdriver.Chrome, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    visit(browser, f"{address}/live/report.html", 1200)
    bars = browser.find_elements(By.CSS_SELECTOR, "article[lang=id] ul[data-table=pinter_skuy-city] .drill")
    slow, other = bars[0].text, bars[1].text
    monkeypatch.setattr(Quiet, "held", slow)
    monkeypatch.setattr(Quiet, "released", Event())
    bars[0].click()
    panel = browser.find_element(By.TAG_NAME, "dialog")
    press(panel, "Tutup")
    bars[1].click()
    WebDriverWait(browser, 20).until(lambda _: "Baris 1 sampai 50 dari 70" in panel.text)
    Quiet.released.set()
    answers = "return performance.getEntriesByType('resource').filter(entry => entry.name.includes('/rows/')).length"
    WebDriverWait(browser, 20).until(lambda _: browser.execute_script(answers) == 2)
    browser.execute_async_script("setTimeout(arguments[0], 200)")  # the script has read the late answer, too
    assert {value for _, _, value, _ in cells(panel)} == {other}
    assert len(panel.find_elements(By.TAG_NAME, "table")) == 1


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
        emulate(browser, scheme)
        visit(browser, f"{address}/clean.html", 1200)
        assert (brightness("color") > brightness("backgroundColor")) == (scheme == "dark")
    emulate(browser, "")
