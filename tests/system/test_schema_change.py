"""A source's columns change: the contract is edited, old snapshots stay as they were taken."""

import json

from support.pipeline import edited, sources

OLD, NEW = "2026-11-12", "2026-11-13"


def test_a_column_is_added_and_old_snapshots_go_on_loading(make_harness, small_catalog, tmp_path):
    harness = make_harness()
    harness.take(OLD)
    harness.catalog = edited(
        small_catalog,
        tmp_path,
        "student",
        lambda text: text.replace("columns:\n", "columns:\n  - {name: email, description: Where to write to.}\n", 1),
    )
    students = [{**student, "email": f"{student['id']}@example.com"} for student in sources()["student"]]
    harness.file("student.json", json.dumps(students).encode())
    harness.take(NEW)
    harness.take(OLD)  # from its snapshot, which has no such column
    emails = harness.rows("SELECT CAST(snapshot_date AS STRING) AS day, id, email FROM {staging.student} ORDER BY 1, 2")
    assert [(row["day"], row["email"]) for row in emails] == [
        *((OLD, None) for _ in students),
        *((NEW, student["email"]) for student in students),
    ]


def test_a_column_is_taken_out_and_old_snapshots_go_on_loading(make_harness, small_catalog, tmp_path):
    harness = make_harness()
    harness.take(OLD)
    harness.catalog = edited(
        small_catalog,
        tmp_path,
        "student",
        lambda text: "".join(line for line in text.splitlines(keepends=True) if "name: phone_number" not in line),
    )
    # The query still names the column, which the table keeps: it is null from now on.
    students = [
        {key: value for key, value in student.items() if key != "phone_number"} for student in sources()["student"]
    ]
    harness.file("student.json", json.dumps(students).encode())
    harness.take(NEW)
    harness.take(OLD)
    rows = harness.rows(
        "SELECT CAST(snapshot_date AS STRING) AS day, COUNT(phone_number) AS phones FROM {staging.student} GROUP BY 1"
    )
    assert {row["day"]: row["phones"] for row in rows} == {OLD: 0, NEW: 0}
