"""The pages of a real Airflow: what they show, to whom, and what they carry."""

import json
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import parse_qs, quote, urlsplit

import httpx
import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from support import axe
from support.browser import visit
from support.pages import DAY, SECONDS, SOURCES, STALE, Pages

RUN = "/lumbung/run/enrollment/{run}"
PAGES = ("/lumbung/report", "/lumbung/catalogue", "/lumbung/catalogue/dwh.dim_student", RUN)
ROWS = "/lumbung/api/rows/pinter_skuy?by=city&value=Bandung"
DATA = ("/lumbung/api/report", "/lumbung/api/catalogue", "/lumbung/api/run/enrollment/{run}", ROWS)
STATIC = ("/lumbung/static/style.css", "/lumbung/static/catalogue.js")
HTML = {"Accept": "text/html"}


def generation(pages: Pages) -> int:
    """The generation that is published, as the page says it."""
    return pages.answer("/lumbung/api/report").json()["freshness"][0]["generation"]


def test_the_report_is_live(pages: Pages) -> None:
    page = pages.page("/lumbung/report")
    assert "Keadaan pada 20 November 2026" in page
    assert 'href="static/style.css"' in page
    assert "<style>" not in page
    assert STALE not in page


def test_the_report_can_be_had_as_a_file(pages: Pages) -> None:
    answer = pages.answer("/lumbung/report?download")
    name = f"lumbung-{DAY}-{generation(pages)}.html"
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
    assert "<style>" in answer.text
    assert "static/" not in answer.text
    assert 'href="report?download"' in pages.page("/lumbung/report")


def test_the_report_s_data_are_those_of_answers(pages: Pages) -> None:
    data = pages.answer("/lumbung/api/report").json()
    assert data["day"] == f"{DAY}"
    assert sum(data["answers"]["pinter_skuy"]["students_per_city"].values()) == 2
    assert {row["rows_read"] - row["rows_loaded"] - row["rows_rejected"] for row in data["accounting"]} == {0}


def test_the_rows_behind_a_number_come_as_json_and_as_csv(pages: Pages) -> None:
    city = SOURCES["student"][0]["city"]
    address = f"/lumbung/api/rows/pinter_skuy?by=city&value={quote(city)}"
    found = json.loads(pages.page(address))
    at = found["columns"].index("city")
    assert found["total"] == len(found["rows"]) > 0
    assert {row[at] for row in found["rows"]} == {city}
    # A viewer sees no student; who may trigger sees each.
    assert not {"student_name", "student_id"} & {*found["columns"]}
    named = json.loads(pages.page(address, "admin"))
    assert "student_name" in named["columns"]
    assert named["total"] == sum(row[-1] for row in found["rows"])
    lines = pages.page(f"{address}&format=csv").removeprefix("\ufeff").splitlines()
    assert lines[0] == ",".join(found["columns"])
    assert len(lines) == 1 + found["total"]
    answer = pages.answer(f"{address}&format=csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="pinter_skuy-rows.csv"'
    assert json.loads(pages.page(f"{address}&offset=1000"))["rows"] == []
    assert pages.get("/lumbung/api/rows/absent?by=city&value=x").status_code == 404
    assert pages.get(f"{address}&offset=-1").status_code == 422
    unknown = pages.answer("/lumbung/api/rows/pinter_skuy?by=1&value=x", status=404).json()
    assert "ask by city" in unknown["remedy"]


def test_rows_by_a_column_that_shows_none_are_refused_without_a_process(pages: Pages) -> None:
    with pages.frozen_lake():
        assert pages.get(f"{ROWS}&offset=1").status_code == 503
        assert pages.get("/lumbung/api/rows/pinter_skuy?by=student_name&value=x").status_code == 404
        none = pages.get("/lumbung/api/rows/cilvest?by=city&value=x")
        assert (none.status_code, none.json()["remedy"]) == (404, "ask another system: this one shows no single rows")


def test_more_rows_of_a_table_of_the_report_are_given_to_its_script(pages: Pages) -> None:
    table = json.loads(pages.page("/lumbung/api/report?table=pinter_skuy-city&offset=1"))
    assert table["name"] == "pinter_skuy-city"
    assert table["total"] == len(table["rows"]) + 1
    assert "pinter_skuy-city" in pages.answer("/lumbung/api/report?table=absent", status=404).json()["remedy"]


def test_a_run_says_where_its_rows_went_and_what_it_published(pages: Pages) -> None:
    data = pages.answer(f"/lumbung/api/run/enrollment/{pages.run_id}").json()
    assert (data["day"], data["state"], data["publish"]["failed"]) == (f"{DAY}", "success", "")
    counts = {row["table"]: (row["rows_read"], row["rows_loaded"], row["rows_rejected"]) for row in data["sources"]}
    assert counts["staging.mentor"] == (3, 2, 1)
    assert counts["staging.course_enrollment"] == (4, 3, 1)
    assert all(read == loaded + rejected for read, loaded, rejected in counts.values())
    assert {table["step"]["failed"] for table in data["tables"]} == {""}
    assert {check["passed"] for table in data["tables"] for check in table["step"]["checks"]} == {True}
    page = pages.page(f"/lumbung/run/enrollment/{pages.run_id}")
    assert "Run for 20 November 2026" in page
    assert "Run untuk 20 November 2026" in page
    assert 'href="../../static/style.css"' in page


def test_raw_rejects_are_for_those_who_may_trigger(pages: Pages) -> None:
    for path in (f"/lumbung/run/enrollment/{pages.run_id}", f"/lumbung/api/run/enrollment/{pages.run_id}"):
        for user, sees in (("admin", True), ("viewer", False)):
            text = pages.page(path, user)
            assert "course_enrollment" in text
            # The student of a rejected enrollment.
            assert ("s0" in text) == sees
    for path in ("/lumbung/report", "/lumbung/report?download", "/lumbung/api/report"):
        assert "s0" not in pages.page(path, "viewer")
    assert "s0" in pages.page("/lumbung/api/report", "admin")
    body = {"logical_date": None, "conf": {"day": f"{DAY}"}}
    trigger = pages.get("/api/v2/dags/enrollment/dagRuns", "viewer", method="POST", json=body)
    assert trigger.status_code == 403


def test_a_failed_run_says_why_and_what_to_do(pages: Pages) -> None:
    broken = [{**row, "id": None} for row in SOURCES["student"]]
    with pages.sources(student=broken):
        run_id = pages.trigger(DAY - timedelta(days=1))
        # While it goes on there is a page, too.
        assert "enrollment" in pages.page(f"/lumbung/run/enrollment/{run_id}")
        assert pages.ended(run_id) == "failed"
    data = pages.answer(f"/lumbung/api/run/enrollment/{run_id}").json()
    failures = {step["task"]: step["failed"] for step in data["steps"] if step["failed"]}
    assert failures.keys() == {"extract.student"}
    assert "key column id is null" in failures["extract.student"]
    assert (data["state"], data["publish"]) == ("failed", None)
    page = pages.page(f"/lumbung/run/enrollment/{run_id}")
    assert "What failed" in page
    assert "This run published nothing." in page


def test_an_unknown_run_is_not_found(pages: Pages) -> None:
    assert pages.get("/lumbung/run/enrollment/absent").status_code == 404
    assert pages.get("/lumbung/api/run/absent/absent").status_code == 404


@pytest.mark.parametrize(
    "path", ["absent", "run/enrollment/absent", "run/enrollment/%00", "run/%00/absent", "catalogue/dwh.absent"]
)
def test_an_address_that_is_not_there_is_explained_to_a_person(pages: Pages, path: str) -> None:
    answer = pages.get(f"/lumbung/{path}", headers=HTML)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "Not found" in answer.text
    assert 'href="/lumbung/report"' in answer.text
    assert pages.get(f"/lumbung/{path}").json() == {"detail": "Not Found"}


def test_the_app_s_own_address_leads_to_the_report(pages: Pages) -> None:
    assert pages.get("/lumbung/", headers=HTML).headers["location"] == "report"


@pytest.mark.parametrize("path", ["/lumbung/report", DATA[0], STATIC[0]])
def test_a_page_s_headers_can_be_asked_for_alone(pages: Pages, path: str) -> None:
    there = pages.answer(path)
    head = pages.get(path, method="HEAD")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == there.headers["content-type"]


def test_the_catalogue_is_live(pages: Pages) -> None:
    page = pages.page("/lumbung/catalogue")
    assert 'href="catalogue/dwh.dim_student"' in page
    assert 'src="static/catalogue.js"' in page
    page = pages.page("/lumbung/catalogue/dwh.dim_student")
    assert 'href="../static/catalogue.css"' in page
    assert "20 November 2026" in page
    assert pages.get("/lumbung/catalogue/dwh.none").status_code == 404
    tables = {table["address"]: table for table in pages.answer("/lumbung/api/catalogue").json()["tables"]}
    assert tables["dwh.dim_student"]["runs"][0]["day"] == f"{DAY}"
    assert tables["dwh.dim_student"]["odcs"]["apiVersion"] == "v3.2.0"


@pytest.mark.parametrize("path", PAGES)
def test_who_is_not_logged_in_logs_in_and_comes_back(pages: Pages, path: str) -> None:
    path = path.format(run=pages.run_id)
    answer = pages.get(path, None, headers=HTML)
    assert answer.status_code == 307
    login = urlsplit(answer.headers["location"])
    assert (login.path, parse_qs(login.query)) == ("/api/v2/auth/login", {"next": [path]})


@pytest.mark.parametrize("path", [*DATA, *STATIC])
def test_data_and_static_files_are_for_those_who_are_logged_in(pages: Pages, path: str) -> None:
    path = path.format(run=pages.run_id)
    assert pages.get(path, None, headers=HTML).status_code == 401
    assert pages.get(path, None).status_code == 401


@pytest.mark.parametrize("path", [*PAGES, *DATA, *STATIC])
def test_a_user_without_permission_sees_nothing(pages: Pages, path: str) -> None:
    assert pages.get(path.format(run=pages.run_id), "nobody", headers=HTML).status_code == 403


@pytest.mark.parametrize("path", [*PAGES, *DATA, *STATIC])
def test_a_page_loads_nothing_from_elsewhere_and_is_not_kept(pages: Pages, path: str) -> None:
    path = path.format(run=pages.run_id)
    headers = pages.answer(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert headers["cache-control"] == ("private, max-age=60" if path in STATIC else "no-store")


def test_only_what_the_pages_need_is_served(pages: Pages) -> None:
    for name in ("template.html.j2", "data.py", "..%2fdata.py", "%2e%2e%2f%2e%2e%2fcore%2fsettings.py"):
        assert pages.get(f"/lumbung/static/{name}").status_code == 404
    assert pages.get("/lumbung/openapi.json").status_code == 404


def test_no_page_is_older_than_what_is_published(pages: Pages) -> None:
    before = generation(pages)
    cities = [{**row, "city": "Sorong"} for row in SOURCES["student"]]
    assert "Sorong" not in pages.page("/lumbung/report")
    with pages.sources(student=cities):
        pages.harness.take(DAY, refresh=True)
    answer = pages.get("/lumbung/report")
    assert answer.status_code == 503 or "Sorong" in answer.text or STALE in answer.text
    assert "Sorong" in pages.page("/lumbung/report")
    assert generation(pages) == before + 1
    # The run that published before is not what is published any more.
    page = pages.page(f"/lumbung/run/enrollment/{pages.run_id}")
    assert re.search(r"by the run <span class=\"id\">run \d+</span>", page)


class Readers:
    """Sixty readers of one page who ask again and again, until all else is answered.

    Attributes:
        pages: the Airflow.
        path: the page.
    """

    def __init__(self, pages: Pages, path: str) -> None:
        limits = httpx.Limits(max_connections=None)
        token = {"Authorization": f"Bearer {pages.stack.token('viewer')}"}
        self.client = httpx.Client(base_url=pages.stack.url, headers=token, timeout=SECONDS, limits=limits)
        self.path = path
        self.is_enough = threading.Event()

    def read(self) -> list[httpx.Response]:
        """What one of them is given."""
        answers = [self.client.get(self.path)]
        while not self.is_enough.is_set():
            answers.append(self.client.get(self.path))
        return answers

    def wait_while(self, asked: Callable[[], None]) -> list[httpx.Response]:
        """What all of them are given, while something else is asked."""
        with self.client, ThreadPoolExecutor(60) as pool:
            readers = [pool.submit(self.read) for _ in range(60)]
            try:
                asked()
            finally:
                self.is_enough.set()
            return [answer for reader in readers for answer in reader.result()]


@pytest.mark.parametrize("what", ["warehouse", "lake"])
def test_what_is_frozen_holds_up_nobody(pages: Pages, what: str) -> None:
    path = {"warehouse": "/lumbung/report", "lake": RUN.format(run=pages.run_id)}[what]
    pages.page(path)
    news = f"audit/dt={DAY}/news/rejected_row.json"
    pages.harness.lake.write(news, b"{}")
    readers = Readers(pages, path)

    def asked() -> None:
        for other in ("/api/v2/dags", "/api/v2/monitor/health", "/api/v2/version"):
            assert readers.client.get(other).status_code == 200
        if what == "warehouse":  # an answer that was never made
            none = pages.get("/lumbung/report?download", "admin", headers=HTML)
            assert none.status_code == 503
            assert "See that the warehouse runs" in none.text

    try:
        with pages.frozen() if what == "warehouse" else pages.frozen_lake():
            answers = readers.wait_while(asked)
        assert {answer.status_code for answer in answers} == {200}
        assert all(STALE in answer.text and "20 November 2026" in answer.text for answer in answers)
    finally:
        pages.harness.lake.delete(news)
    assert STALE not in pages.page(path)


def test_the_catalogue_s_script_works_under_the_policy(pages: Pages, browser: Chrome) -> None:
    pages.page("/lumbung/catalogue")
    pages.page("/lumbung/catalogue/dwh.dim_student")
    pages.log_in(browser, "/lumbung/catalogue")
    visit(browser, f"{pages.stack.url}/lumbung/catalogue", 1200)
    browser.find_element(By.ID, "find").send_keys("student_name")
    shown = [link for link in browser.find_elements(By.CSS_SELECTOR, ".what > a") if link.is_displayed()]
    assert [link.text.split()[-1] for link in shown] == ["course_enrollment_summary", "dim_student"]
    assert axe.faults(browser) == []
    shown[1].click()
    assert browser.current_url == f"{pages.stack.url}/lumbung/catalogue/dwh.dim_student"
    assert axe.faults(browser) == []
    assert [entry for entry in browser.get_log("browser") if "/lumbung/" in entry["message"]] == []
