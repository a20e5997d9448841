"""What the catalogue knows of tables."""

import contextlib
import json

from lumbung.catalog.contract import Catalog
from lumbung.catalogue import entries


def test_without_a_warehouse_all_but_figures_is_there(contracts_only):
    assert contracts_only.absent == "no warehouse was asked"
    assert contracts_only.tables.keys() == Catalog().contracts.keys()
    assert [system.name for system in contracts_only.systems] == [
        "pinter_skuy",
        "cilvest",
        "stream_models",
        "contract_events",
        "lumbung",
    ]
    student = contracts_only.tables["dwh.dim_student"]
    assert student.upstream == ["staging.student"]
    assert "datamart.student_count_by_city" in student.downstream
    assert (student.counted, student.last, student.worst) == (None, None, None)
    assert {check.outcome for check in student.checks} == {None}
    assert contracts_only.sources("datamart.top_mentor") == [
        "mentor.csv",
        "course.json",
        "pinter_skuy.course_enrollment",
    ]


def test_that_nothing_is_published_is_said(new_harness):
    with contextlib.closing(new_harness()) as harness:
        empty = entries.collect(harness.warehouse, harness.settings, harness.catalog)
    assert "nothing is published yet" in empty.absent
    assert empty.tables["dwh.dim_student"].runs == []


def test_rows_and_checks_are_those_of_the_last_runs(with_runs):
    assert with_runs.absent == ""
    student = with_runs.tables["dwh.dim_student"]
    assert [(f"{run.day}", run.rows) for run in student.runs] == [
        ("2026-11-11", None),
        ("2026-11-10", 4),
        ("2026-11-09", 3),
    ]
    assert (student.counted.day.day, student.checked.day.day) == (10, 11)
    assert [rows for _, rows in student.points] == [3, 4]
    assert student.last.failed
    assert student.worst == "failed"
    failed = {check.name: check.violations for check in student.checks if check.outcome == "failed"}
    assert failed == {"rows(min 1)": 1234, "expression(city <> 'nowhere')": 1234}
    # The record does not say what came of the others.
    assert {check.outcome for check in student.checks if check.name not in failed} == {"unknown"}
    assert "nowhere" not in student.last.note
    daily = with_runs.tables["dwh.fact_enrollment_daily"]
    assert daily.worst == "passed"
    assert {check.outcome for check in daily.checks} == {"passed"}
    loaded = with_runs.tables["staging.student"]
    assert (loaded.counted.rows, loaded.last.rejected, loaded.checks) == (4, 0, [])
    (system,) = [each for each in with_runs.systems if each.name == "pinter_skuy"]
    assert f"{system.freshness.published_day}" == "2026-11-10"


def test_a_warning_has_its_count(harness, with_runs):
    published = entries.collect(harness.warehouse, harness.settings, harness.catalog).tables["dwh.dim_student"]
    of_second = [run for run in published.runs if f"{run.day}" == "2026-11-10"]
    results = {check.name: check for check in entries.results(published.contract, of_second)}
    (city,) = [check for name, check in results.items() if "REGEXP" in name]
    assert (city.severity, city.outcome, city.violations) == ("warn", "warning", 1)
    assert results["unique(student_id)"].outcome == "passed"


def test_an_error_s_note_quotes_no_row(with_runs):
    assert with_runs.tables["staging.mentor"].last.note == (
        "failed: mentor.csv:7, day 2026-11-11: 3 of 27 rows are rejected, 1 allowed; the first: another reason."
        " Fix the source (the rejects are in staging.rejected_row)."
    )
    assert "Budi" not in json.dumps(entries.to_json(with_runs))


def test_it_is_json(with_runs):
    content = json.loads(json.dumps(entries.to_json(with_runs)))
    (student,) = [table for table in content["tables"] if table["address"] == "dwh.dim_student"]
    (name,) = [column for column in student["columns"] if column["name"] == "student_name"]
    assert name["upstream"] == ["staging.student.first_name", "staging.student.last_name"]
    assert name["expression"].startswith("NULLIF(")
    assert student["runs"][1]["rows"] == 4
    assert content["systems"][0]["freshness"]["published_day"] == "2026-11-10"
