import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from openpyxl import load_workbook

from lumbung.catalog.contract import Catalog
from lumbung.core.errors import LumbungError
from lumbung.sources import read
from lumbung.systems.pinter_skuy.generate import FILES, generate

CATALOG = Catalog()
ENROLLMENTS = CATALOG["staging.course_enrollment"]


def rows(folder, table):
    """Rows as the pipeline's own readers see them; none is rejected."""
    contract = CATALOG["staging.campus_branch" if table == "campus" else f"staging.{table}"]
    if table == "course_enrollment":  # in the project it comes from PostgreSQL
        source = contract.source.model_copy(update={"kind": "csv", "path": "course_enrollment.csv"})
        contract = contract.model_copy(update={"source": source})
    content = []
    for batch in read(contract, data_source=folder, dsn=None):
        assert not batch.rejects
        content += batch.rows.to_pylist()
    return content


def digest(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("enrollments", [1, 10, 399, 1005, 100_100])
def test_rows_are_unique_and_refer_to_rows_that_are_there(tmp_path, enrollments):
    counts = generate(tmp_path, enrollments=enrollments)
    tables = {Path(name).stem: rows(tmp_path, Path(name).stem) for name in FILES}
    assert counts == {name: len(tables[Path(name).stem]) for name in FILES}
    assert counts["course_enrollment.csv"] == enrollments
    keys = {}
    tables["campus_branch"] = tables.pop("campus")
    for table, rows_read in tables.items():
        contract = CATALOG[f"staging.{table}"]
        keys[table] = {tuple(row[name] for name in contract.key) for row in rows_read}
        assert len(keys[table]) == len(rows_read), table
    for table, rows_read in tables.items():
        for reference in CATALOG[f"staging.{table}"].references:
            assert {tuple(row[name] for name in reference.columns) for row in rows_read} <= keys[reference.table], table


def test_sizes_are_in_proportion(tmp_path):
    assert generate(tmp_path, enrollments=200_000) == {
        "student.json": 20_000,
        "mentor.csv": 400,
        "course_category.csv": 25,
        "course.json": 2_000,
        "course_enrollment.csv": 200_000,
        "campus.xlsx": 12,
    }
    assert len({row["city"] for row in rows(tmp_path, "student")}) == 200


def test_some_courses_cities_and_students_stand_out(tmp_path):
    generate(tmp_path, enrollments=50_000)
    enrollments = rows(tmp_path, "course_enrollment")
    for values, least in (
        ([row["course_id"] for row in enrollments], 5),
        ([row["student_id"] for row in enrollments], 2.5),
        ([row["city"] for row in rows(tmp_path, "student")], 10),
        ([row["mentor_id"] for row in rows(tmp_path, "course")], 2.5),
    ):
        counts = Counter(values)
        assert max(counts.values()) > least * len(values) / len(counts)
    assert len({row["student_id"] for row in enrollments}) < 5_000, "some students take no course"


def test_a_seed_gives_the_same_bytes_and_another_seed_others(tmp_path):
    for name, seed in (("one", 7), ("same", 7), ("other", 8)):
        generate(tmp_path / name, enrollments=2_000, seed=seed)
    assert digest(tmp_path / "one") == digest(tmp_path / "same")
    other = digest(tmp_path / "other")
    assert all(other[name] != content for name, content in digest(tmp_path / "one").items())


def test_files_look_like_the_sample_s(tmp_path):
    generate(tmp_path, enrollments=10)
    sample = Path(__file__).resolve().parents[4] / "data-source"
    workbooks = [load_workbook(folder / "campus.xlsx")["Cabang"] for folder in (tmp_path, sample)]
    assert len({tuple(sheet.iter_rows(max_row=3, values_only=True)) for sheet in workbooks}) == 1
    assert {cell.number_format for sheet in workbooks for cell in sheet["D"][3:]} == {"yyyy-mm-dd"}
    for name in FILES:
        if name.endswith(".xlsx"):
            continue
        made, given = (tmp_path / name).read_text(), (sample / name).read_text()
        if name.endswith(".json"):
            assert [list(row) for row in json.loads(made)[:1]] == [list(row) for row in json.loads(given)[:1]]
        else:
            assert made.splitlines()[0] == given.splitlines()[0]
        assert made.endswith("\n")
    assert sorted(len(row["id"]) for row in rows(tmp_path, "course_category"))[:2] == [27, 36]


def test_progress_is_reported_up_to_the_end(tmp_path):
    progress = {}
    counts = generate(
        tmp_path, enrollments=100, progress=lambda name, done, total: progress.update({name: (done, total)})
    )
    assert progress == {name: (count, count) for name, count in counts.items()}


def test_another_generate_replaces_its_files_and_refuses_a_folder_with_others(tmp_path):
    generate(tmp_path, enrollments=10, seed=1)
    generate(tmp_path, enrollments=10, seed=2)
    before = digest(tmp_path)
    (tmp_path / "thesis.doc").write_text("mine")
    with pytest.raises(LumbungError, match=r"thesis\.doc"):
        generate(tmp_path, enrollments=10)
    assert digest(tmp_path) == {**before, "thesis.doc": b"mine"}


def test_what_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LumbungError, match="cannot be written"):
        generate(tmp_path / "file", enrollments=10)
    with pytest.raises(LumbungError, match="at least 1"):
        generate(tmp_path / "none", enrollments=0)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_killed_generate_leaves_what_was_there(tmp_path, number):
    generate(tmp_path, enrollments=10)
    before = digest(tmp_path)
    code = "import sys; from pathlib import Path; from lumbung.systems.pinter_skuy.generate import generate; "
    code += "generate(Path(sys.argv[1]), enrollments=20_000_000)"
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stderr=subprocess.DEVNULL) as process:
        while not any(path.name.endswith(".part") and path.stat().st_size for path in tmp_path.iterdir()):
            assert process.poll() is None
            time.sleep(0.01)
        os.kill(process.pid, number)
    assert {name: content for name, content in digest(tmp_path).items() if not name.startswith(".")} == before
    generate(tmp_path, enrollments=10)
    assert digest(tmp_path) == before


def test_memory_stays_flat(tmp_path):
    def peak(enrollments):
        code = "import sys, resource; from pathlib import Path; "
        code += "from lumbung.systems.pinter_skuy.generate import generate; "
        code += f"generate(Path(sys.argv[1]), enrollments={enrollments}); "
        code += "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
        folder = tmp_path / str(enrollments)
        return int(subprocess.check_output([sys.executable, "-c", code, str(folder)]))

    assert peak(1_000_000) - peak(100_000) < 30_000  # kB; the pairs alone would take 72 MB as Python's integers
