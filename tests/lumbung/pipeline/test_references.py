"""References between a day's snapshots, and the version they make, on a real lake folder."""

import itertools
import json
import re
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import hypothesis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import strategies as st

from lumbung.catalog.contract import Catalog
from lumbung.core.errors import LumbungError, SourceError
from lumbung.pipeline import extract, references, snapshot
from lumbung.pipeline.references import make_version
from lumbung.storage.duck import store
from lumbung.storage.lake import FolderLake
from lumbung.storage.manifest import commit
from support.pipeline import SYSTEM, edited, sources

DAY = date(2026, 11, 10)


def version(harness, *, refresh=False):
    run = harness.run(DAY, refresh=refresh)
    run.extract()
    run.snapshot()
    return run.version


def attempt(harness):
    return snapshot.version_of(harness.lake, SYSTEM, DAY, refused=True)


def course(key, mentor, category="k1"):
    return {"id": key, "title": key, "mentor_id": mentor, "course_category_id": category}


def enrollment(student, course):
    return {"student_id": student, "course_id": course}


def many(count, bad_courses=(), bad_enrollments=()):
    """As many courses, each with one enrollment."""
    keys = [f"c{number}" for number in range(count)]
    return {
        "course": [course(key, "m1") for key in keys] + list(bad_courses),
        "course_enrollment": [enrollment("s1", key) for key in keys] + list(bad_enrollments),
    }


def test_a_version_lists_the_newest_snapshots(harness, read):
    made = version(harness)
    assert (made.day, made.generation, made.state) == (DAY, 1, "committed")
    names = ("campus_branch", "course", "course_category", "course_enrollment", "mentor", "student")
    assert made.generations == dict.fromkeys(names, 1)
    for name, member in made.members.items():
        taken = snapshot.committed(harness.lake, SYSTEM, name, DAY, "")
        assert (member.file, member.rejects, member.rows_read) == (taken.file, None, taken.rows_read)
    assert made.order == (DAY, 1)


def test_a_row_that_refers_to_nothing_is_rejected_and_so_are_those_that_refer_to_it(harness, read):
    harness.fill(many(4, [course("c8", "m8")], [enrollment("s1", "c8")]))
    made = version(harness)
    courses, enrollments = made.members["course"], made.members["course_enrollment"]
    for member, reason in ((courses, "mentor_id m8 is not in mentor"), (enrollments, "course_id c8 is not in course")):
        assert (member.rows_read, member.file.rows, member.rows_rejected) == (5, 4, 1)
        assert [row["reason"] for row in read(member.rejects)] == [reason]
        assert len(read(member.file)) == 4
    assert [row["key"] for row in read(enrollments.rejects)] == [[("student_id", "s1"), ("course_id", "c8")]]
    assert read(courses.rejects)[0]["raw"] == '{"id":"c8","title":"c8","mentor_id":"m8","course_category_id":"k1"}'
    assert "c8" not in {row["id"] for row in read(courses.file)}
    # The snapshot itself stays as it was taken.
    assert snapshot.committed(harness.lake, SYSTEM, "course", DAY, "").rows_kept == 5


def test_a_reference_may_be_to_a_part_of_a_key(harness, tmp_path):
    """Courses refer to students that have an enrollment: many rows of one, of a key of two columns."""
    reference = "references: [{columns: [id], table: course_enrollment, key: [student_id]}]\ncolumns:"
    harness.catalog = edited(harness.catalog, tmp_path, "mentor", lambda text: text.replace("columns:", reference))
    enrollments = [enrollment("m1", "c1"), enrollment("m1", "c2")]
    students = [{**sources()["student"][0], "id": key} for key in ("m1", "s1")]
    harness.fill({"student": students, "course": [course("c1", "m1"), course("c2", "m1")]})
    harness.catalog.contracts["staging.course"] = harness.catalog["staging.course"].model_copy(
        update={"references": []}
    )
    harness.fill({"course_enrollment": enrollments})
    mentors = version(harness).members["mentor"]
    assert (mentors.file.rows, mentors.rows_rejected) == (1, 1)


def test_a_refusal_names_the_rows_that_were_rejected_in_the_other_source(harness):
    """The cause is one broken row of another file, which is allowed; what refers to it is not."""
    course = sources()["course"]
    harness.fill({"course": [*course, {**course[1], "id": "c3"}]})
    harness.file("mentor.csv", b"id,first_name,last_name\nm1,Sri,Rahayu\nm2,Ika\n")
    run = harness.run(DAY)
    run.start()
    run.extract()
    with pytest.raises(SourceError, match=r"mentor_id … is not in mentor \(rows rejected there: 1 of mentor\)"):
        run.snapshot()


def test_a_reject_is_whole_where_a_column_is_called_source(harness, read, tmp_path):
    root = shutil.copytree(harness.catalog.root, tmp_path / "sql")
    contract = Catalog(root)["staging.course"]
    contract.path.write_text(contract.path.read_text().replace("name: title", "name: source"))
    harness.catalog = Catalog(root)
    rows = [("c1", "m1"), ("c8", "m8")]
    courses = [{"id": key, "source": "web", "mentor_id": mentor, "course_category_id": "k1"} for key, mentor in rows]
    harness.file("course.json", json.dumps(courses).encode())
    harness.fill({"course_enrollment": [enrollment("s1", "c1")]})
    (reject,) = read(version(harness).members["course"].rejects)
    assert reject["raw"] == '{"id":"c8","source":"web","mentor_id":"m8","course_category_id":"k1"}'


def test_a_row_may_miss_more_than_one(harness, read):
    harness.fill(many(2, [], [enrollment("s9", "c9")]))
    made = version(harness)
    (reject,) = read(made.members["course_enrollment"].rejects)
    assert reject["reason"] == "student_id s9 is not in student; course_id c9 is not in course"


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("A0EEBC99-9C0B", "only the case differs"),  # as PostgreSQL prints a uuid
        (" a0eebc99-9c0b", "only blanks differ"),
        ("00a0eebc99-9c0b", "only case, blanks or leading zeros differ"),
    ],
)
def test_keys_that_are_spelled_in_two_ways_are_told_and_not_allowed_for(harness, key, says):
    students = [{**student, "id": "a0eebc99-9c0b"} for student in sources()["student"][:1]]
    harness.fill({"student": students, **many(3), "course_enrollment": [enrollment(key, f"c{n}") for n in range(3)]})
    with pytest.raises(SourceError) as refused:
        version(harness)
    assert f"the first: student_id … is not in student: {says}. Spell the keys alike" in str(refused.value)
    assert "Spell the keys alike in both sources" in str(refused.value)
    assert "max_rejects" not in str(refused.value)
    assert "with --refresh" in str(refused.value), "a past day has its snapshots still"


def test_a_reference_is_compared_byte_by_byte(harness, read):
    harness.fill(many(2, [], [enrollment("S1", "c1")]))
    made = version(harness)
    assert [row["reason"] for row in read(made.members["course_enrollment"].rejects)] == [
        "student_id S1 is not in student, which has s1: only the case differs"
    ]


def test_rejects_of_both_kinds_count_against_the_limit(harness, read):
    # One of each is allowed alone; together they are two of five, and one is allowed.
    rows = many(3, [], [enrollment("s1", "c1"), enrollment("s9", "c1")])
    harness.fill(rows)
    says = r"course_enrollment, day 2026-11-10: 2 of 5 rows are rejected, 1 allowed; the first: student_id … is no"
    with pytest.raises(SourceError, match=says) as raised:
        version(harness)
    assert "Fix the source and run the day again with --refresh" in str(raised.value), "its snapshots are reused else"
    assert snapshot.version_of(harness.lake, SYSTEM, DAY) is None
    refused = attempt(harness)
    assert refused.state == "refused"
    member = refused.members["course_enrollment"]
    assert (member.rows_read, member.file.rows, member.rows_rejected, member.rejects.rows) == (5, 3, 2, 1)

    # Two of two hundred are allowed.
    harness.fill(many(198, [], rows["course_enrollment"][3:]))
    assert version(harness, refresh=True).members["course_enrollment"].rows_rejected == 2


def test_the_error_names_each_source_that_has_too_many(harness):
    harness.fill(
        many(2, [course("c8", "m8"), course("c9", "m1", "k9")], [enrollment("s1", "c8"), enrollment("s8", "c0")])
    )
    with pytest.raises(SourceError, match=r"course\.json.*2 of 4 rows.*mentor_id … is not in mentor"):
        version(harness)
    assert "course_enrollment, day" in attempt(harness).note


def test_a_version_is_made_again_only_when_a_snapshot_is_newer(harness):
    first = version(harness)
    assert version(harness) == first
    second = version(harness, refresh=True)
    assert second.generation == 2
    assert set(second.generations.values()) == {2}
    assert version(harness) == second
    assert snapshot.newest_version(harness.lake, SYSTEM) == second


def test_after_a_refused_version_the_old_one_stays(harness):
    first = version(harness)
    harness.fill({"course_enrollment": [enrollment("s8", "c8"), enrollment("s9", "c9")]})
    with pytest.raises(SourceError):
        version(harness, refresh=True)
    assert attempt(harness).generation == 2
    assert snapshot.version_of(harness.lake, SYSTEM, DAY) == first
    assert snapshot.newest_version(harness.lake, SYSTEM) == first
    harness.fill(sources())
    assert version(harness, refresh=True).generation == 3


def test_without_a_snapshot_of_each_source_there_is_no_version(harness):
    run = harness.run(DAY)
    run.extract("campus_branch", "student", "mentor")
    with pytest.raises(LumbungError, match=r"staging\.course, day 2026-11-10: no snapshot"):
        run.snapshot()
    assert attempt(harness) is None


def test_a_later_generation_never_lists_older_snapshots(harness, monkeypatch):
    """Another run takes newer snapshots while this one checks its own: the newer ones make the later version."""
    slow, quick = harness.run(DAY), harness.run(DAY, refresh=True, started_at=datetime.now(UTC) + timedelta(minutes=1))
    slow.extract()
    check = references._check

    def overtaken(*args):
        quick.extract()
        return check(*args)

    with monkeypatch.context() as patch:
        patch.setattr(references, "_check", overtaken)
        # Else the files are known by their checksums, and the quick one waits until the slow one has its version.
        patch.setattr(extract, "READER_VERSION", extract.READER_VERSION + 1)
        slow.snapshot()
    quick.snapshot()
    assert (slow.own.generation, set(slow.version.generations.values())) == (1, {1})
    assert (quick.own.generation, set(quick.version.generations.values())) == (2, {2})
    assert snapshot.newest_version(harness.lake, SYSTEM) == quick.version


def test_versions_of_concurrent_runs_rise(harness):
    def work(_):
        run = harness.run(DAY, refresh=True, started_at=datetime.now(UTC) + timedelta(minutes=1))
        for contract in run.run.sources:
            run.extract(contract.table)
            if snapshot.committed(harness.lake, SYSTEM, "student", DAY, ""):
                run.extract()
            run.snapshot()

    harness.run(DAY).extract()
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, range(3)))
    where = f"version/{SYSTEM}/dt={DAY}"
    made = [
        snapshot.Version.model_validate_json(harness.lake.read(f"{where}/{name}")) for name in harness.lake.names(where)
    ]
    assert [result.generation for result in made] == list(range(1, len(made) + 1))
    assert len(made) > 1
    for older, newer in itertools.pairwise(made):
        assert all(older.generations[name] <= newer.generations[name] for name in older.generations)
        assert older.generations != newer.generations
    newest = {
        source.table: snapshot.committed(harness.lake, SYSTEM, source.table, DAY, "")
        for source in harness.run(DAY).run.sources
    }
    assert made[-1].generations == {name: taken.generation for name, taken in newest.items()}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{columns: [mentor_id], table: guru, key: [id]}", "refers to guru, which is not a source of pinter_skuy"),
        ("{columns: [mentor_id], table: course_enrollment, key: [student_id]}", "refer to each other in a circle"),
    ],
)
def test_contracts_whose_references_do_not_make_sense_are_refused(harness, tmp_path, line, says):
    shutil.copytree(harness.catalog.root, tmp_path / "sql")
    contract = tmp_path / "sql/staging/course.yaml"
    contract.write_text(contract.read_text().replace("references:\n", f"references:\n  - {line}\n"))
    version(harness)
    refresh = harness.run(DAY, refresh=True)
    refresh.extract()  # so that the version is not reused
    with pytest.raises(LumbungError, match=says) as error:
        make_version(Catalog(tmp_path / "sql").sources(SYSTEM), SYSTEM, DAY, harness.lake, refresh.run.run_id)
    assert str(tmp_path) in str(error.value)


CONTRACT = """
description: Rows.
grain: a row
system: pinter_skuy
key: [key]
source: {{kind: csv, path: {name}.csv, max_rejects: 1}}
references: [{references}]
partition: snapshot_date
columns:
  - {{name: key, required: true, description: Its key.}}
  - {{name: left, description: A part of another key.}}
  - {{name: right, description: A part of another key.}}
  - {{name: snapshot_date, type: DATE, required: true, description: The day.}}
"""
COLUMNS = ["key", "left", "right"]
REFERENCES = {
    "top": [],
    "middle": [(["left", "right"], "top", ["left", "right"]), (["key"], "top", ["key"])],
    "leaf": [(["right"], "middle", ["key"])],
}
TEXTS = st.sampled_from(["", " ", "a", "A", "b", "0a", "a ", "é", "e\u0301", "a, b"])
ROWS = st.lists(st.tuples(TEXTS, TEXTS | st.none(), TEXTS | st.none()), max_size=12)


@pytest.fixture(scope="module")
def three_contracts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("three") / "staging"
    folder.mkdir()
    for name, given in REFERENCES.items():
        written = [f"{{columns: {columns}, table: {table}, key: {key}}}" for columns, table, key in given]
        (folder / f"{name}.yaml").write_text(CONTRACT.format(name=name, references=", ".join(written)))
    return Catalog(folder.parent).sources(SYSTEM)


def hold(lake, name, rows):
    """Commit these rows as the day's snapshot of a source."""
    where, local = snapshot.folder(SYSTEM, name, DAY), lake.folder / "local.parquet"
    pq.write_table(pa.Table.from_pylist(rows, pa.schema([(column, pa.string()) for column in COLUMNS])), local)
    taken = snapshot.Snapshot(
        generation=1,
        system=SYSTEM,
        entity=name,
        day=DAY,
        state="committed",
        columns=COLUMNS,
        rows_read=len(rows),
        rows_kept=len(rows),
        rows_rejected=0,
        file=store(lake, local, f"{where}/part.parquet"),
        rejects=None,
        source=name,
        extracted_at=datetime(2026, 11, 10, tzinfo=UTC),
        provisional=False,
    )
    commit(lake, where, lambda generation: taken.model_copy(update={"generation": generation}))


def missing(row, table, kept):
    """What a row refers to and is not there: it is looked up by itself."""
    for columns, other, key in REFERENCES[table]:
        value = [row[name] for name in columns]
        if None not in value and value not in [[row[name] for name in key] for row in kept[other]]:
            yield f"{', '.join(columns)} {', '.join(value)} is not in {other}"


@hypothesis.settings(max_examples=25, deadline=None)
@hypothesis.given(st.fixed_dictionaries(dict.fromkeys(REFERENCES, ROWS)))
def test_references_are_checked_as_if_each_row_were_looked_up(three_contracts, rows):
    with tempfile.TemporaryDirectory() as folder:
        lake = FolderLake("file://lake", Path(folder))
        sources = {name: [dict(zip(COLUMNS, row, strict=True)) for row in given] for name, given in rows.items()}
        for name, given in sources.items():
            hold(lake, name, given)
        try:
            made = make_version(three_contracts, SYSTEM, DAY, lake, "")
        except SourceError:  # no row is left
            made = snapshot.version_of(lake, SYSTEM, DAY, refused=True)
        kept = {}
        for name in REFERENCES:
            says = [list(missing(row, name, kept)) for row in sources[name]]
            kept[name] = [row for row, reasons in zip(sources[name], says, strict=True) if not reasons]
            member = made.members[name]
            assert pq.read_table(lake.folder / member.file.path).to_pylist() == kept[name]
            rejects = pq.read_table(lake.folder / member.rejects.path).to_pylist() if member.rejects else []
            assert [json.loads(reject["raw"]) for reject in rejects] == [
                row for row, reasons in zip(sources[name], says, strict=True) if reasons
            ]
            assert [re.sub(", which has .*? differs?(?=;|$)", "", reject["reason"]) for reject in rejects] == [
                "; ".join(reasons) for reasons in says if reasons
            ]
