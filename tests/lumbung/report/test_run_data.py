"""What the page of a run shows: while it goes on, when it has ended, and where it failed."""

import dataclasses
import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from lumbung.catalog.contract import Catalog
from lumbung.core.errors import LumbungError
from lumbung.pipeline import operations
from lumbung.pipeline.run import Step
from lumbung.report import run_page
from lumbung.report.run_data import AirflowRun, RunData, collect
from lumbung.storage import console
from support.pipeline import Day, PipelineHarness, sources

DAY, NEXT = "2026-11-20", "2026-11-21"
NOW = datetime(2026, 11, 21, 3, tzinfo=UTC)
HOSTILE = "<script>document.title = 'ran'</script>"


def shown(run: Day, state: str = "running", *, raw: bool = False, **settings: str | None) -> RunData:
    """What the page of a run shows."""
    known = AirflowRun("enrollment", run.run.run_id, run.run.day, state, NOW, None if state == "running" else NOW)
    return collect(run.run.lake, run.harness.settings.replace(**settings), known, raw=raw)


def record(run: Day, task: str, step: Step) -> None:
    operations.record(run.run, task, datetime.now(UTC), step)


def take(run: Day) -> None:
    """Extract all sources and decide, and record that as the DAG's tasks do."""
    run.start()
    for entity, (taken, _) in run.extract().items():
        counts = {"rows_in": taken.rows_read, "rows_out": taken.rows_kept, "rows_rejected": taken.rows_rejected}
        step = Step(table=f"staging.{entity}", **counts, note=f"generation {taken.generation}; {taken.note}")
        record(run, f"extract.{entity}", step)
    try:
        run.decide()
    except LumbungError as error:
        record(run, "snapshot", Step(table="snapshot", note=f"failed: {error}"))
        raise
    record(run, "snapshot", run.decided)


def counts(data: RunData) -> dict[str, tuple[int, int, int]]:
    assert all(row.balanced for row in data.sources)
    return {row.table: (row.rows_read, row.rows_loaded, row.rows_rejected) for row in data.sources}


def test_a_run_that_has_not_begun_shows_what_it_will_make(harness: PipelineHarness) -> None:
    data = shown(harness.run(DAY))
    assert (data.steps, data.sources, data.publish, data.published) == ([], [], None, None)
    assert {table.step for table in data.tables} == {None}
    assert all("SELECT" in table.sql and table.description for table in data.tables)
    page = run_page.render(data, "../../")
    assert "Nothing is published yet." in page
    assert "not yet" in page
    assert "This run published nothing." in run_page.render(dataclasses.replace(data, state="failed"), "../../")


def test_every_row_is_accounted_for_with_its_reason(harness: PipelineHarness) -> None:
    tables = sources()
    tables["mentor"].append(tables["mentor"][0])
    tables["course_enrollment"].append({"student_id": "s0", "course_id": "c1"})
    harness.fill(tables)
    run = harness.run(DAY)
    take(run)
    data = shown(run)
    rows = counts(data)
    assert (rows["staging.mentor"], rows["staging.course_enrollment"]) == ((3, 2, 1), (4, 3, 1))
    assert "taken, not loaded" in run_page.render(data, "../../")
    run.load()
    data = shown(run)
    assert counts(data) == rows
    assert "taken, not loaded" not in run_page.render(data, "../../")
    assert [(row.source, row.reason, row.rows) for row in data.reasons if row.source == "course_enrollment"] == [
        ("course_enrollment", "student_id … is not in student", 1)
    ]
    waiting = shown(harness.run(DAY), "queued", raw=True)
    assert (waiting.sources, waiting.reasons, waiting.rejects) == ([], [], []), "those are of another run"
    assert "Nothing has been read by this run." in run_page.render(waiting, "../../")
    # Only who may see them gets rows, and what reasons quote of them.
    assert data.rejects is None
    assert "s0" not in run_page.render(data, "../../")
    assert "s0" not in json.dumps(data.to_json())
    with_rows = shown(run, raw=True)
    assert "student_id s0 is not in student" in [row.reason for row in with_rows.rejects]
    assert "s0" in run_page.render(with_rows, "../../")


def test_what_was_published_and_what_is_published_now(harness: PipelineHarness) -> None:
    older = harness.run(DAY).up_to("build")
    run = harness.take(NEXT)
    data = shown(run, "success")
    assert data.is_published
    assert (f"{data.published.day}", data.published.generation) == (NEXT, 1)
    assert data.publish.rows == len(run.run.tables)
    assert {check.passed for check in data.checks} == {True}
    older.publish()
    late = shown(older, "success")
    assert not late.is_published
    assert "whole tables skipped: superseded" in late.publish.note
    assert f"{late.published.day}" == NEXT
    page = run_page.render(late, "../../")
    assert "whole tables skipped: a newer version exists" in page
    stays = "This run's version is 20 November 2026; the tables stay at 21 November 2026, the newest."
    assert stays not in page
    again = dataclasses.replace(late, published=dataclasses.replace(late.published, run_id=late.run_id))
    assert stays in run_page.render(again, "../../")
    assert run.run.run_id in page


def test_a_table_shows_the_query_that_ran(harness: PipelineHarness) -> None:
    run = harness.run(DAY)
    ran = "SELECT 1 AS of_that_day  -- which no file has"
    record(run, "build.dwh.dim_student", Step(table="dwh.dim_student", sql=ran, parameters={"snapshot_date": DAY}))
    record(run, "build.dwh.dim_mentor", Step(table="dwh.dim_mentor", note="failed: no"))
    tables = {table.address: table for table in shown(run).tables}
    student, mentor = tables["dwh.dim_student"], tables["dwh.dim_mentor"]
    assert (student.sql, student.parameters, student.has_run) == (ran, {"snapshot_date": DAY}, True)
    file = Catalog()["dwh.dim_mentor"].path.with_suffix(".sql").read_text(encoding="utf-8")
    assert (mentor.sql, mentor.parameters, mentor.has_run) == (file, {}, False)
    page = run_page.render(shown(run), "../../")
    assert page.count(ran) == page.count("@snapshot_date = 2026-11-20") == 2, "once in each language"
    assert page.count("SQL (berkas sekarang)") == page.count("SQL (the file as it is now)") == len(tables) - 1
    built = [table for table in shown(harness.take(NEXT)).tables if table.step]
    assert [table.parameters for table in built] == [{"snapshot_date": NEXT}] * len(built) != []


def test_a_job_is_a_link_where_there_is_a_project(harness: PipelineHarness) -> None:
    run = harness.take(DAY)
    assert {step.job_url for step in shown(run).steps} == {None}
    project = {"project": "my-project", "location": "asia-southeast2", "emulator_host": None}
    data = shown(run, **project)
    step = data.tables[0].step
    assert step.job_url == console.job_url(run.harness.settings.replace(**project), step.job_id)
    assert f'href="{step.job_url.replace("&", "&amp;")}"' in run_page.render(data, "../../")


def test_a_refused_source_shows_its_rows_and_the_remedy(harness: PipelineHarness) -> None:
    tables = sources()
    good, *others = tables["student"]
    tables["student"] = [good, *({**row, "id": None} for row in others)]
    harness.fill(tables)
    run = harness.run(DAY)
    run.start()
    with pytest.raises(LumbungError) as refused:
        run.extract("student")
    record(run, "extract.student", Step(table="staging.student", note=f"failed: {refused.value}"))
    # What a later run of the day takes is not this one's.
    harness.fill(sources())
    harness.run(DAY).extract("student")
    data = shown(run, "failed")
    assert counts(data) == {"staging.student": (3, 0, 2)}
    assert [row.rows for row in data.reasons] == [2]
    assert [step.failed for step in data.failures] == [f"{refused.value}"]
    page = run_page.render(data, "../../")
    assert "What failed" in page
    assert "refused, not loaded" in page
    assert "do not add up" not in page


def test_an_error_quotes_no_row_to_whom_rows_are_not_given(harness: PipelineHarness) -> None:
    tables = sources()
    tables["course"] = [{**row, "mentor_id": "Bu Rahasia 0812"} for row in tables["course"]]
    harness.fill(tables)
    run = harness.run(DAY)
    with pytest.raises(LumbungError) as refused:
        take(run)
    error = f"{refused.value}"
    assert "course.json, day 2026-11-20: 2 of 2 rows are rejected, 1 allowed; the first: mentor_id … is not in" in error
    assert "the rejects are in staging.rejected_row" in error
    data = shown(run, "failed")
    assert counts(data)["staging.course"] == (2, 0, 2)
    assert {row.note for row in data.sources} == {"refused"}
    assert ("course", "mentor_id … is not in mentor", 2) in [(r.source, r.reason, r.rows) for r in data.reasons]
    # As earlier releases have recorded it.
    old = error.replace("mentor_id …", "mentor_id Bu Rahasia 0812")
    record(run, "snapshot", Step(table="pinter_skuy", note=f"failed: {old}"))
    data = shown(run, "failed")
    assert [step.failed for step in data.failures] == [error]
    assert "Rahasia" not in run_page.render(data, "../../")
    assert [step.failed for step in shown(run, "failed", raw=True).failures] == [old]


def test_what_is_in_the_records_does_not_run(make_harness: Callable[..., PipelineHarness]) -> None:
    harness = make_harness()
    run = harness.run(DAY, run_id=HOSTILE)
    record(run, "extract.student", Step(table="staging.student", rows_in=2, rows_out=1, rows_rejected=0, note=HOSTILE))
    record(
        run, "build.dwh.dim_student", Step(table="dwh.dim_student", note=f"failed: {HOSTILE}", checks={HOSTILE: "x"})
    )
    data = shown(run)
    page = run_page.render(data, "../../")
    assert "<script>" not in page
    assert "does not add up" in page
    assert [row.balanced for row in data.sources] == [False]
