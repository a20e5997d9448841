"""Every fault of contracts, queries and test cases is found at once, with its file and a remedy."""

import json
import shutil

import pytest

from lumbung.catalog import analysis, check
from lumbung.catalog.case import CASES_ROOT
from lumbung.catalog.contract import SQL_ROOT
from support.analyses import RememberingCatalogue

SYSTEMS = ("pinter_skuy", "cilvest", "stream_models", "contract_events")


class Checkout:
    """A copy of the contracts, queries and test cases."""

    def __init__(self, folder):
        self.sql, self.cases = folder / "sql", folder / "cases"
        shutil.copytree(SQL_ROOT, self.sql)
        shutil.copytree(CASES_ROOT, self.cases, ignore=shutil.ignore_patterns("*.py", "__pycache__"))

    def replace(self, path, old, new):
        file = self.sql.parent / path
        text = file.read_text()
        assert old in text, f"{path} does not say {old}"
        file.write_text(text.replace(old, new, 1))

    def write(self, path, text):
        file = self.sql.parent / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def faults(self):
        return check.faults(SYSTEMS, self.sql, self.cases)


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    monkeypatch.setattr(analysis, "Catalogue", RememberingCatalogue)
    return Checkout(tmp_path)


def test_the_project_has_no_fault(checkout):
    assert check.faults(SYSTEMS) == []
    assert checkout.faults() == []


def test_without_google_s_engine_sql_is_parsed(checkout, monkeypatch):
    monkeypatch.setattr(analysis, "unavailable", lambda: "not for this machine")
    checkout.replace("sql/dwh/dim_category.sql", "FROM", "FORM")
    checkout.replace("sql/datamart/top_mentor.yaml", "rank BETWEEN 1 AND 3", "rank BETWEEN 1 AND")
    found = checkout.faults()
    assert [fault.where.removeprefix(f"{checkout.sql}/") for fault in found] == [
        "dwh/dim_category.sql",
        "datamart/top_mentor.yaml",
    ]
    assert all("not GoogleSQL (" in fault.what for fault in found)


def test_where_there_are_no_test_cases_at_all_none_are_asked_for(checkout):
    shutil.rmtree(checkout.cases)
    assert checkout.faults() == []


def test_all_faults_are_found_and_nothing_is_said_about_what_reads_a_broken_contract(checkout):
    checkout.replace("sql/dwh/dim_student.yaml", "grain:", "grains:")
    checkout.replace("sql/staging/mentor.yaml", "key: [id]", "key: [ident]")
    checkout.replace("sql/dwh/dim_category.sql", "FROM", "FORM")
    checkout.replace("sql/datamart/top_mentor.sql", "mentor.mentor_name,", "mentor.mentor_name AS name,")
    checkout.replace("sql/datamart/tweet_total.sql", "dwh.fact_tweet", "dwh.tweets")
    shutil.rmtree(checkout.cases / "datamart" / "tweet_hourly_by_instrument")
    found = checkout.faults()
    places = [fault.where.removeprefix(f"{checkout.sql.parent}/") for fault in found]
    assert sorted(places) == [
        "cases/datamart/tweet_hourly_by_instrument/<case>",
        "sql/datamart/top_mentor.sql",
        "sql/datamart/tweet_total.sql",
        "sql/dwh/dim_category.sql, line 6, column 1",
        "sql/dwh/dim_student.yaml",
        "sql/staging/mentor.yaml",
    ]
    assert all(fault.remedy for fault in found)


@pytest.mark.parametrize(
    ("path", "old", "new", "message"),
    [
        ("sql/dwh/dim_mentor.yaml", "pinter_skuy", "pintar", "there is no system pintar"),
        ("sql/staging/course.yaml", "table: mentor,", "table: guru,", "refers to guru, which is not a source of"),
        ("sql/staging/course.yaml", "table: mentor, key: [id]", "table: mentor, key: [ident]",
         "refers to ident of staging.mentor, which has no such column"),
        ("sql/datamart/top_mentor.yaml", "key: [mentor_id]}", "key: [id]}", "refers to id of dwh.dim_mentor"),
        ("sql/datamart/top_mentor.yaml", "rank BETWEEN 1 AND 3", "rank BETWEEN 1 AND", "is not GoogleSQL ("),
        ("cases/dwh/dim_category/other_day/expect.csv", "course_type", "type", "dwh.dim_category has no column type"),
        ("cases/dwh/dim_category/other_day/expect.csv", "c2,data", "c2,data,3", "expect.csv, line 3: not a row"),
        ("cases/dwh/dim_category/other_day/params.yaml", "snapshot_date", "day", "Write snapshot_date: YYYY-MM-DD"),
        ("cases/dwh/dim_category/other_day/params.yaml", "2026-11-20", "today", "not the parameter of"),
        ("cases/dwh/fact_tweet/jakarta_hours/params.yaml", "[2026-11-19, 2026-11-21]", "2026-11-19",
         "Write tweet_dates: [YYYY-MM-DD]"),
        ("cases/dwh/fact_tweet/wrong_day/refused.txt", "dwh.fact_tweet: check expression(tweet_date = EXTRACT(DATE FROM"
         " created_at", "", "refused.txt: is empty"),
        ("cases/dwh/fact_tweet/wrong_day/expect.csv", "2026-11-21,1,", "2026-11-21,x,", "line 2: not a row"),
        ("cases/dwh/fact_tweet/wrong_day/given/staging.tweet.ndjson", '{"tweet_id"', '"tweet_id"', "line 1: not a row"),
    ],
)  # fmt: skip
def test_a_fault_is_found(checkout, path, old, new, message):
    checkout.replace(path, old, new)
    fault = next(fault for fault in checkout.faults() if message in str(fault))
    assert str(checkout.sql.parent / path) in fault.where


@pytest.mark.parametrize(
    ("path", "text", "message"),
    [
        ("sql/dwh/dim_x.sql", "SELECT 1 AS id", "dim_x.sql: a query without a contract"),
        ("cases/dwh/dim_x/case/expect.csv", "id\n", "a test case of dwh.dim_x, which no query makes"),
        ("cases/dwh/dim_category/other_day/expect.ndjson", "", "2 files of expected rows"),
        (
            "cases/dwh/dim_category/other_day/given/staging.course_category.ndjson",
            "",
            "rows of staging.course_category",
        ),
        ("cases/dwh/dim_category/other_day/given/staging.mentor.csv", "id\n", "a check looks at staging.mentor"),
        ("cases/dwh/dim_category/other_day/given/staging.course_category.txt", "", "neither CSV nor NDJSON"),
        (
            "cases/dwh/dim_category/empty/expect.csv",
            "course_category_id,course_type\n",
            "no rows of staging.course_cat",
        ),
        ("sql/staging/x.yaml", "- a list\n", "x.yaml: not a YAML contract"),
    ],
)
def test_a_file_too_many_is_found(checkout, path, text, message):
    checkout.write(path, text)
    assert any(message in str(fault) for fault in checkout.faults())


def test_rows_that_lack_a_column_are_found(checkout):
    case = checkout.cases / "dwh" / "dim_category" / "other_day"
    (case / "expect.csv").unlink()
    (case / "expect.ndjson").write_text(json.dumps({"course_category_id": "c2"}))
    (fault,) = checkout.faults()
    assert "no column course_type. Give all columns of dwh.dim_category." in str(fault)


def test_sources_in_a_circle_are_found(checkout):
    checkout.replace(
        "sql/staging/mentor.yaml", "columns:", "references: [{columns: [id], table: course, key: [id]}]\ncolumns:"
    )
    (fault,) = checkout.faults()
    assert "sources refer to each other in a circle: course -> mentor -> course" in str(fault)


def test_a_fault_concerns_the_table_whose_files_have_it(checkout):
    checkout.replace("sql/dwh/dim_category.sql", "FROM", "FORM")
    checkout.replace("cases/dwh/dim_mentor/names/expect.ndjson", "mentor_name", "name")
    concerned = {
        address: [fault for fault in checkout.faults() if check.concerns(fault, address, checkout.sql, checkout.cases)]
        for address in ("dwh.dim_category", "dwh.dim_mentor", "dwh.dim_m", "dwh.dim_student")
    }
    assert {address: bool(faults) for address, faults in concerned.items()} == {
        "dwh.dim_category": True, "dwh.dim_mentor": True, "dwh.dim_m": False, "dwh.dim_student": False
    }  # fmt: skip
