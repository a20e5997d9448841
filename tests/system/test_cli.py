"""`lumbung` from start to end on the sample data and on the reference data."""

import json
import re
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from lumbung.core.day import today
from support.hook import posts

Make = Callable[..., "Home"]  # noqa: F821 - tests/system/conftest.py


@pytest.fixture(scope="module")
def ran(make_home: Make, missing: Callable[[str], None]):
    """A home with one run on the reference data, what that run printed, and the day it was for: today, by default."""
    capstone = Path(__file__).resolve().parents[3] / "shared" / "reference" / "capstone"
    if not capstone.exists():
        missing("../shared/reference/capstone")
    home, before = make_home(capstone, new=True), today()
    printed = home.run("run")
    day = re.search(r"Published: (\S+)", printed)[1]
    assert f"{before}" <= day <= f"{today()}"
    return home, printed, day


@pytest.mark.midnight
def test_a_run_prints_tasks_rows_answers_and_the_report(ran) -> None:
    home, printed, day = ran
    assert "failed" not in printed
    for task in ("extract.student", "load.course_enrollment", "build.datamart.top_mentor", "publish", "complete"):
        line = next(line for line in printed.splitlines() if task in line.split())
        assert line.startswith("ok")
    assert f"pinter_skuy.course_enrollment  {day}    28      28         0" in printed
    assert f"Published: {day}" in printed
    assert "Ellison Alford" in printed
    report = Path(printed.rpartition("Report: ")[2].strip())
    assert report.is_relative_to(home.folder)
    assert "Ellison Alford" in report.read_text(encoding="utf-8")
    assert home.processes() == []


@pytest.mark.midnight
def test_the_answers_are_the_published_ones(ran) -> None:
    home, _, day = ran
    published = json.loads((home.data / "published_answers.json").read_text())
    answers = json.loads(home.run("answers", "--json"))
    assert answers["day"] == day
    for name in ("students_per_city", "students_per_category", "enrollments_per_category", "enrollments_per_mentor"):
        assert answers[name] == published[name], name
    assert [mentor["rank"] for mentor in answers["top_mentors"]] == [1, 1] + [3] * 9
    assert set(answers["top_mentors"][0]) == {"rank", "mentor_id", "mentor_name", "enrollments"}
    rows = home.query("SELECT * FROM datamart.course_enrollment_summary")
    assert len(rows) == 28
    assert list(rows[0]) == [
        "course_category_id",
        "course_type",
        "course_id",
        "course_title",
        "student_id",
        "student_name",
        "city",
        "mentor_id",
        "mentor_name",
    ]


def test_queries_print_tables_csv_and_bytes(ran) -> None:
    home, _, _ = ran
    sql = "SELECT 1 AS n, 'a,b' AS text, CAST(NULL AS INT64) AS nothing"
    with home.warehouse():
        assert json.loads(home.run("query", sql, "--json")) == [{"n": 1, "text": "a,b", "nothing": None}]
        assert home.run("query", sql, "--csv").splitlines() == ["n,text,nothing", '1,"a,b",']
        assert "a,b" in home.run("query", sql)
        assert home.run("query", sql, "--dry-run").split()[1] == "bytes"
        refused = home.call("query", "SELECT nonsense FROM datamart.top_mentor")
    assert refused.returncode == 1
    assert "nonsense" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "environ", "message"),
    [
        (["run", "--day", f"{today() + timedelta(days=2)}"], {}, "has not begun"),
        (["run", "--day", "10-11-2026"], {}, "YYYY-MM-DD"),
        (["backfill", "2026-11-12", "2026-11-10"], {}, "is after"),
        (["backfill", "2026-11-10", "2199-01-01"], {}, "has not begun"),
        (["answers"], {"LUMBUNG_LAKE_URI": "s3://bucket/x"}, "LUMBUNG_LAKE_URI"),
        (["answers"], {"LUMBUNG_LAKE": "x"}, "did you mean LUMBUNG_LAKE_URI?"),
        (["run"], {"LUMBUNG_MAX_BYTES_BILLED": "many"}, "LUMBUNG_MAX_BYTES_BILLED"),
        (["run"], {"LUMBUNG_SOURCE_DSN": "mysql://a/b"}, "LUMBUNG_SOURCE_DSN"),
    ],
)
def test_a_wrong_word_or_setting_is_one_paragraph_that_names_it(
    make_home: Make, arguments: list[str], environ: dict[str, str], message: str
) -> None:
    done = make_home().call(*arguments, **environ)
    assert done.returncode == 1
    assert message.lower() in done.stderr.lower()
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_home_without_a_run_has_no_answers(make_home: Make) -> None:
    done = make_home().call("answers", "--json")
    assert (done.returncode, done.stdout) == (1, "")
    assert "nothing is published yet" in done.stderr


@pytest.mark.midnight
def test_a_changed_source_shows_at_once_and_a_refused_one_changes_nothing(make_home: Make) -> None:
    home = make_home()
    home.run("run")
    before = home.json("answers", "--json")
    students = json.loads((home.data / "student.json").read_text())
    for student in students:
        student["city"] = "Sabang"
    (home.data / "student.json").write_text(json.dumps(students))
    with (home.data / "course_enrollment.csv").open("a") as file:
        file.write("s3,c2\r\n")
    home.run("run")
    after = home.json("answers", "--json")
    assert before["students_per_city"] == {"Ambon": 1, "Bandung": 1}
    assert after["students_per_city"] == {"Sabang": 3}

    (home.data / "mentor.csv").write_text("id;first_name;last_name\n")
    with posts() as (url, received):
        refused = home.call("run", LUMBUNG_NOTIFY_WEBHOOK=url)
    assert refused.returncode == 1
    (notification,) = received
    assert notification["dag_id"] == "enrollment"
    assert notification["run_id"] in notification["text"]
    assert "mentor.csv" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
    assert "Traceback" not in refused.stderr
    assert home.json("answers", "--json") == after

    (home.data / "course.json").write_text("")
    lines = home.call("run").stderr.strip().splitlines()
    assert lines[0].endswith(": 2 tasks failed; nothing of this run was published")
    assert sorted(line.split(": ")[0] for line in lines[1:]) == ["  extract.course", "  extract.mentor"]


def test_a_source_and_a_table_are_added_by_files_alone(make_home: Make, tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    copy = tmp_path / "checkout"
    copy.mkdir()
    for name in ("dags", "include", "plugins", "services"):
        subprocess.run(["cp", "-r", root / name, copy / name], check=True)
    (copy / ".venv-bigquery").symlink_to(root / ".venv-bigquery")
    home = make_home(root=copy)
    (home.data / "voucher.csv").write_text("code,course_id\nHEMAT,c1\nHEMAT2,c1\nBARU,c9\n")
    sql = copy / "include" / "sql"
    (sql / "staging/voucher.yaml").write_text("""
description: A voucher.
grain: a voucher, per snapshot day
system: pinter_skuy
key: [code]
partition: snapshot_date
source: {kind: csv, path: voucher.csv}
references:
  - {columns: [course_id], table: course, key: [id]}
columns:
  - {name: code, required: true, description: The code.}
  - {name: course_id, required: true, description: The course it is for.}
  - {name: snapshot_date, type: DATE, required: true, description: The business day.}
""")
    (sql / "dwh/dim_voucher.sql").write_text(
        "SELECT\n    code,\n    course_id\nFROM staging.voucher\nWHERE snapshot_date = @snapshot_date\n"
    )
    (sql / "dwh/dim_voucher.yaml").write_text("""
description: Vouchers.
grain: a voucher
system: pinter_skuy
key: [code]
columns:
  - {name: code, required: true, description: The code.}
  - {name: course_id, required: true, description: The course it is for.}
""")
    (sql / "datamart/voucher_count.sql").write_text(
        "SELECT\n    course_id,\n    COUNT(*) AS vouchers\nFROM dwh.dim_voucher\nGROUP BY course_id\n"
    )
    (sql / "datamart/voucher_count.yaml").write_text("""
description: Vouchers of a course.
grain: a course with vouchers
system: pinter_skuy
key: [course_id]
columns:
  - {name: course_id, required: true, description: The course.}
  - {name: vouchers, type: INT64, required: true, description: Its vouchers.}
""")
    printed = home.run("run")
    assert "extract.voucher" in printed
    with home.warehouse():
        assert home.query("SELECT * FROM datamart.voucher_count") == [{"course_id": "c1", "vouchers": 2}]
        (rejected,) = home.query("SELECT entity, reason FROM staging.rejected_row")
    assert (rejected["entity"], "c9" in rejected["reason"]) == ("voucher", True)


def test_two_homes_run_at_once(make_home: Make) -> None:
    homes = [make_home(), make_home()]
    started = [
        subprocess.Popen(home.command("run"), env=home.env(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for home in homes
    ]
    for process in started:
        out, _ = process.communicate(timeout=600)
        assert process.returncode == 0, out.decode()[-3000:]
    assert all(home.json("answers", "--json")["students_per_city"] for home in homes)


def test_help_of_python_m_lumbung(make_home: Make) -> None:
    printed = make_home().run("--help", TERM="dumb", COLUMNS="200")
    commands = ("run", "backfill", "answers", "query", "prune", "report", "doctor", "up", "generate")
    assert all(f" {command} " in printed for command in commands)
