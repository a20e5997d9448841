"""The pages of a real Airflow: what they show, to whom, and what they carry."""

from urllib.parse import parse_qs, urlsplit

import pytest

from support.pages import DAY, Pages

PAGES = ("/lumbung/report",)
DATA = ("/lumbung/api/report",)
STATIC = ("/lumbung/static/style.css",)
HTML = {"Accept": "text/html"}


def test_the_report_is_live(pages: Pages) -> None:
    page = pages.page("/lumbung/report")
    assert "Keadaan pada 20 November 2026" in page
    assert f"{DAY}" in page
    assert 'href="static/style.css"' in page
    assert "<style>" not in page


def test_the_report_can_be_had_as_a_file(pages: Pages) -> None:
    pages.page("/lumbung/report?download")
    answer = pages.get("/lumbung/report?download")
    assert answer.headers["content-disposition"] == f'attachment; filename="lumbung-{DAY}-1.html"'
    assert "<style>" in answer.text
    assert "static/" not in answer.text


def test_the_report_s_data_are_those_of_answers(pages: Pages) -> None:
    pages.page("/lumbung/api/report")
    data = pages.get("/lumbung/api/report").json()
    assert data["day"] == f"{DAY}"
    assert data["answers"]["pinter_skuy"]["students_per_city"] == {"Ambon": 1, "Bandung": 1}
    assert {row["rows_read"] - row["rows_loaded"] - row["rows_rejected"] for row in data["accounting"]} == {0}


@pytest.mark.parametrize("path", PAGES)
def test_who_is_not_logged_in_logs_in_and_comes_back(pages: Pages, path: str) -> None:
    answer = pages.get(path, None, headers=HTML)
    assert answer.status_code == 307
    login = urlsplit(answer.headers["location"])
    assert (login.path, parse_qs(login.query)) == ("/api/v2/auth/login", {"next": [path]})


@pytest.mark.parametrize("path", [*DATA, *STATIC])
def test_data_and_static_files_are_for_those_who_are_logged_in(pages: Pages, path: str) -> None:
    assert pages.get(path, None, headers=HTML).status_code == 401
    assert pages.get(path, None).status_code == 401


@pytest.mark.parametrize("path", [*PAGES, *DATA, *STATIC])
def test_a_user_without_permission_sees_nothing(pages: Pages, path: str) -> None:
    assert pages.get(path, "nobody", headers=HTML).status_code == 403


@pytest.mark.parametrize("path", [*PAGES, *DATA, *STATIC])
def test_a_page_loads_nothing_from_elsewhere_and_is_not_kept(pages: Pages, path: str) -> None:
    pages.page(path)
    headers = pages.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert headers["cache-control"] == ("private, max-age=60" if path in STATIC else "no-store")


def test_only_what_the_pages_need_is_served(pages: Pages) -> None:
    for name in ("template.html.j2", "data.py", "..%2fdata.py", "%2e%2e%2f%2e%2e%2fcore%2fsettings.py"):
        assert pages.get(f"/lumbung/static/{name}").status_code == 404
    assert pages.get("/lumbung/openapi.json").status_code == 404
