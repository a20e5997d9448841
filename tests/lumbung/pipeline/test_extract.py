"""Extract on real files, a real database and a real lake folder."""

import re
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from lumbung.catalog.contract import Catalog
from lumbung.core import day as business_day
from lumbung.core.errors import SourceError, SourceUnavailableError
from lumbung.pipeline import snapshot
from lumbung.pipeline.extract import extract
from lumbung.storage.lake import sha256
from lumbung.systems.pinter_skuy.generate import workbook
from support.pipeline import edited, sources

pytestmark = pytest.mark.midnight

PAST = date(2026, 11, 10)
# A day like others, the last one of a month and of a year, the ones before and after which a leap day comes.
TURNS = [PAST, date(2026, 11, 30), date(2026, 12, 31), date(2028, 2, 28), date(2028, 2, 29)]


@pytest.fixture
def take(harness):
    """Take a source: the snapshot and whether it was taken now."""

    def take_it(entity="mentor", day=PAST, *, run_id="run", started_at=None, refresh=False, dsn=None):
        return extract(
            harness.catalog[f"staging.{entity}"],
            day,
            lake=harness.lake,
            data_source=harness.settings.data_source,
            dsn=dsn or harness.settings.source_dsn.get_secret_value(),
            run_id=run_id,
            started_at=started_at or datetime.now(UTC),
            refresh=refresh,
        )

    return take_it


@pytest.fixture
def committed(harness):
    return lambda entity="mentor", day=PAST: snapshot.committed(harness.lake, "pinter_skuy", entity, day, "")


@pytest.fixture
def attempted(harness):
    def newest(entity="mentor", day=PAST):
        where = snapshot.folder("pinter_skuy", entity, day)
        manifests = [name for name in harness.lake.names(where) if name.startswith("manifest")]
        return (
            snapshot.Snapshot.model_validate_json(harness.lake.read(f"{where}/{manifests[-1]}")) if manifests else None
        )

    return newest


def mentors(*rows):
    return {"mentor": [dict(zip(("id", "first_name", "last_name"), row, strict=True)) for row in rows]}


def test_a_manifest_says_what_the_files_are(harness, take, read):
    began = datetime.now(UTC)
    for entity in ("mentor", "student", "course_enrollment"):
        taken, now = take(entity)
        assert now
        assert (taken.generation, taken.state, taken.rows_read) == (1, "committed", taken.rows_kept)
        assert (taken.rows_rejected, taken.rejects) == (0, None)
        assert began <= taken.extracted_at <= datetime.now(UTC)
        assert taken.file.rows == taken.rows_kept
        with harness.lake.local(taken.file.path) as path:
            assert (path.stat().st_size, sha256(path)) == (taken.file.bytes, taken.file.sha256)
        rows = read(taken.file)
        assert list(rows[0]) == [*taken.columns, "snapshot_date"]
        assert {row["snapshot_date"] for row in rows} == {PAST}
    assert [row["first_name"] for row in read(take("mentor")[0].file)] == ["Sri", "Ika"]
    assert take("mentor")[0].source == "mentor.csv"


def test_a_part_that_row_level_security_leaves_is_noted(harness, take):
    harness.sql(
        "CREATE ROLE part LOGIN PASSWORD 'part'; ALTER TABLE course_enrollment ENABLE ROW LEVEL SECURITY;"
        f"GRANT USAGE ON SCHEMA {harness.schema} TO part; GRANT SELECT ON course_enrollment TO part;"
        "CREATE POLICY mine ON course_enrollment USING (student_id = 's1')"
    )
    contract = harness.catalog.contracts["staging.course_enrollment"]
    try:
        dsn = re.sub(r"postgres:\w+@", "part:part@", harness.settings.source_dsn.get_secret_value())
        with pytest.raises(SourceError, match="row-level security hides rows"):
            take("course_enrollment", dsn=dsn)
        allowed = contract.source.model_copy(update={"row_security": "allow"})
        harness.catalog.contracts[contract.address] = contract.model_copy(update={"source": allowed})
        taken, _ = take("course_enrollment", dsn=dsn)
        assert 0 < taken.rows_kept < len(sources()["course_enrollment"])
        assert "row-level security hides rows from the user: what is read is a part" in taken.note
    finally:
        harness.catalog.contracts["staging.course_enrollment"] = contract
        harness.sql("DROP OWNED BY part; DROP ROLE part")


def test_a_committed_snapshot_is_reused_whatever_became_of_the_source(harness, take):
    first, _ = take()
    harness.fill(mentors(("m9", "Other", "Rows")))
    assert take() == (first, False)
    second, now = take(refresh=True)
    assert (second.generation, now) == (2, True)
    assert take() == (second, False)


def test_a_run_that_is_tried_again_does_not_refresh_again(take):
    started_at = datetime.now(UTC)
    first, _ = take(refresh=True, started_at=started_at)
    assert take(refresh=True, started_at=started_at) == (first, False)


@pytest.mark.parametrize("day", TURNS)
def test_a_provisional_snapshot_is_taken_again_until_the_next_day_is_over(take, extract_at, day):
    over, next_over = business_day.ends_at(day), business_day.ends_at(day + timedelta(days=1))
    extract_at(over - timedelta(microseconds=1))
    first, _ = take(day=day, started_at=over - timedelta(hours=1))
    assert first.provisional
    second, now = take(day=day, started_at=next_over - timedelta(seconds=1))
    assert (second.generation, now) == (2, True)
    assert take(day=day, started_at=next_over) == (second, False)
    assert take(day=day, started_at=next_over, refresh=True)[0].generation == 3


@pytest.mark.parametrize("day", TURNS)
def test_a_snapshot_taken_as_its_day_ends_is_final(take, extract_at, day):
    """Its run began on the day, before midnight."""
    over = business_day.ends_at(day)
    extract_at(over)
    taken, _ = take(day=day, started_at=over - timedelta(minutes=1))
    assert not taken.provisional
    assert take(day=day, started_at=over + timedelta(minutes=1)) == (taken, False)


def test_a_past_day_without_a_snapshot_takes_today_s_rows_and_says_so(take, extract_at):
    taken, now = take()
    assert now
    assert not taken.provisional
    assert taken.note == f"rows of {taken.extracted_at:%Y-%m-%d %H:%M} UTC"
    day = PAST + timedelta(days=1)
    extract_at(business_day.ends_at(day) - timedelta(hours=1))
    assert take(day=day)[0].note == ""


@pytest.mark.parametrize("step", ["put", "create"])
def test_a_killed_extract_leaves_nothing_visible(harness, take, committed, attempted, monkeypatch, step):
    class Killed(BaseException):
        pass

    def kill(*_):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(type(harness.lake), step, kill)
        with pytest.raises(Killed):
            take()
    assert (committed(), attempted()) == (None, None)
    assert take()[0].generation == 1


def test_concurrent_extracts_get_generations_of_their_own(take, committed, read):
    later = datetime.now(UTC) + timedelta(minutes=1)  # as if each run had started after the others' snapshots
    barrier = threading.Barrier(4)

    def work(_):
        barrier.wait()
        return take(refresh=True, started_at=later)[0]

    with ThreadPoolExecutor(4) as pool:
        taken = list(pool.map(work, range(4)))
    assert sorted(extracted.generation for extracted in taken) == [1, 2, 3, 4]
    own = [extracted.file.path for extracted in taken if extracted.same_as is None]
    assert len(set(own)) == len(own)
    assert committed() == max(taken, key=lambda extracted: extracted.generation)
    assert {len(read(extracted.file)) for extracted in taken} == {2}


def test_the_first_of_identical_rows_is_kept(harness, take, read):
    harness.fill(mentors(("m1", "Sri", None), ("m2", "Ika", "\n,"), ("m1", "Sri", None)))
    taken, _ = take()
    assert (taken.rows_read, taken.rows_kept, taken.rows_rejected) == (3, 2, 1)
    assert [(row["id"], row["last_name"]) for row in read(taken.file)] == [("m1", None), ("m2", "\n,")]
    assert read(taken.rejects) == [
        # The line break in the row before counts.
        {
            "line": 5,
            "raw": '{"id":"m1","first_name":"Sri","last_name":null}',
            "reason": "an identical repeat of line 2",
            "key": [("id", "m1")],
            "loses_row": False,
        }
    ]


def test_rows_that_differ_where_they_are_not_compared_are_identical(harness, take, read, tmp_path):
    harness.catalog = edited(
        harness.catalog,
        tmp_path,
        "mentor",
        lambda text: text.replace("last_name", "last_name, compared: false").replace(
            "csv\n", "csv\n  max_rejects: 1\n"
        ),
    )
    harness.fill(mentors(("m1", "Sri", "A"), ("m2", "Ika", "B"), ("m1", "Sri", "C"), ("m2", "Eka", "B")))
    taken, _ = take()
    assert [(row["id"], row["last_name"]) for row in read(taken.file)] == [("m1", "A")]
    different = "2 rows with the same id and different contents"
    assert [(row["line"], row["reason"], row["key"], row["loses_row"]) for row in read(taken.rejects)] == [
        (3, different, [("id", "m2")], True),
        (4, "an identical repeat of line 2", [("id", "m1")], False),
        (5, different, [("id", "m2")], True),
    ]
    # What was left out is in the reject all the same.
    assert '"last_name":"C"' in read(taken.rejects)[1]["raw"]


def test_a_repeat_across_batches_is_found(harness, take, read, monkeypatch):
    monkeypatch.setattr("lumbung.sources.files.BATCH_ROWS", 2)
    harness.fill(mentors(*[(f"m{number % 40}", "Sri", "Rahayu") for number in range(41)]))
    taken, _ = take()
    assert (taken.rows_kept, read(taken.rejects)[0]["reason"]) == (40, "an identical repeat of line 2")


def test_all_rows_of_a_key_with_different_contents_are_rejected(harness, take, read, attempted):
    rows = [(f"m{number}", "Sri", "Rahayu") for number in range(400)]
    harness.fill(mentors(*rows, ("m7", "Sri", "Other"), ("m7", "Sri", "Rahayu"), ("m399", "Sri", "Rahayu")))
    taken, _ = take()
    assert (taken.rows_read, taken.rows_kept) == (403, 399)
    different = "3 rows with the same id and different contents"
    assert [(row["line"], row["reason"]) for row in read(taken.rejects)] == [
        (9, different),
        (402, different),
        (403, different),
        (404, "an identical repeat of line 401"),
    ]
    assert "m7" not in {row["id"] for row in read(taken.file)}


def test_null_and_the_word_null_are_different(harness, take, read, attempted):
    harness.file("student.json", b"[%s]" % b",".join(_student(city) for city in (b"null", b'"null"')))
    with pytest.raises(SourceError, match="2 of 2 rows are rejected, 1 allowed; the first: 2 rows with the same id"):
        take("student")
    assert len(read(attempted("student").rejects)) == 2


def _student(city):
    names = b'"first_name":"A","last_name":"B","street_address":"C","country":"D","phone_number":"1"'
    return b'{"id":"s1",%s,"city":%s}' % (names, city)


@pytest.mark.parametrize("key", ["n", "raw", "h", "times", "first", "key"])
def test_repeats_are_found_whatever_the_key_is_called(harness, take, read, tmp_path, key):
    root = shutil.copytree(harness.catalog.root, tmp_path / "sql")
    contract = Catalog(root)["staging.mentor"]
    text = contract.path.read_text().replace("key: [id]", f"key: [{key}]").replace("name: id", f"name: {key}")
    contract.path.write_text(text.replace("name: last_name", f"name: {'n' if key == 'h' else 'h'}"))
    harness.catalog = Catalog(root)
    last = "n" if key == "h" else "h"
    harness.file("mentor.csv", f"{key},first_name,{last}\nm1,Sri,a\nm1,Sri,a\nm2,Ika,b\n".encode())
    taken, _ = take()
    assert (taken.rows_kept, [row["line"] for row in read(taken.rejects)]) == (2, [3])


def test_a_repeated_row_of_a_table_has_a_number_instead_of_a_line(harness, take, read):
    row = {"student_id": "s1", "course_id": "c1"}
    harness.fill({"course_enrollment": [row, row]})
    taken, _ = take("course_enrollment")
    assert [(reject["line"], reject["reason"]) for reject in read(taken.rejects)] == [
        (None, "an identical repeat of row 1")
    ]


@pytest.mark.parametrize(
    ("rows", "bad", "fails"), [(2, 1, False), (3, 2, True), (200, 2, False), (200, 3, True), (299, 3, True)]
)
def test_one_percent_and_always_one_row_may_be_rejected(harness, take, committed, attempted, rows, bad, fails):
    harness.fill(mentors(*[(f"m{number}" if number >= bad else None, "A", "B") for number in range(rows)]))
    if not fails:
        assert take()[0].rows_rejected == bad
        return
    allowed = max(1, rows // 100)
    says = f"{bad} of {rows} rows are rejected, {allowed} allowed; the first: key column id is null. Fix the source"
    with pytest.raises(SourceError, match=says) as error:
        take()
    assert str(error.value).startswith(f"mentor.csv:2, day {PAST}: ")
    assert "max_rejects in staging/mentor.yaml" in str(error.value)
    assert committed() is None
    refused = attempted()
    assert (refused.state, refused.file, refused.rejects.rows, refused.rows_kept) == ("refused", None, bad, 0)
    assert refused.note == str(error.value)


def test_an_optional_source_whose_file_is_missing_has_no_rows(harness, take):
    taken, _ = take("campus_branch")
    assert (taken.state, taken.rows_read, taken.rows_kept, taken.file.rows) == ("committed", 0, 0, 0)
    assert taken.note.endswith("UTC; the file is missing, which the contract allows")
    assert take("campus_branch", day=business_day.today())[0].note == "the file is missing, which the contract allows"
    harness.file("campus.xlsx", workbook([("001", "Kampus Dago", "Bandung", date(2021, 2, 1), 120)]))
    assert take("campus_branch") == (taken, False)
    assert take("campus_branch", refresh=True)[0].rows_kept == 1


def test_an_optional_source_whose_file_is_there_is_as_strict_as_others(harness, take, attempted, read):
    harness.file("campus.xlsx", workbook([]))
    with pytest.raises(SourceError, match=r"campus\.xlsx!Cabang, day .*0 rows, where the contract expects at least 1"):
        take("campus_branch")
    harness.file("campus.xlsx", workbook([("001", "A", "Ambon", None, "#N/A"), ("002", "B", "Solo", None, "=C5*2")]))
    with pytest.raises(SourceError, match=r"campus\.xlsx!Cabang:4, day .*2 of 2 rows are rejected, 1 allowed"):
        take("campus_branch")
    reasons = [(reject["line"], reject["reason"]) for reject in read(attempted("campus_branch").rejects)]
    assert [(line, reason.split(" is ")[0]) for line, reason in reasons] == [(4, "Cabang!E4"), (5, "Cabang!E5")]
    harness.file("campus.xlsx", b"branch_code;city\n")
    with pytest.raises(SourceError, match="text, such as CSV, not an Excel workbook"):
        take("campus_branch")
    (harness.settings.data_source / "campus.xlsx").unlink()
    (harness.settings.data_source / "campus.xlsx").symlink_to("gone.xlsx")
    with pytest.raises(SourceError, match="the file cannot be read"):
        take("campus_branch")


@pytest.mark.parametrize("entity", ["mentor", "student", "course_enrollment"])
def test_a_source_without_rows_is_refused(harness, take, committed, attempted, entity):
    harness.fill({entity: []})
    with pytest.raises(SourceError, match=r"0 rows, where the contract expects at least 1.*min_rows"):
        take(entity)
    assert committed(entity) is None
    assert attempted(entity).rows_read == 0


def test_after_a_refused_refresh_the_old_snapshot_is_used(harness, take, committed, attempted):
    first, _ = take()
    harness.fill(mentors((None, "A", "B"), (None, "C", "D")))
    with pytest.raises(SourceError):
        take(refresh=True)
    assert (attempted().generation, attempted().rejects.rows) == (2, 2)
    assert committed() == first
    assert take() == (first, False)
    harness.fill(mentors(("m1", "A", "B")))
    assert take(refresh=True)[0].generation == 3


def test_a_source_that_breaks_half_way_keeps_the_rejects_of_the_batches_before(
    harness, take, committed, attempted, read, monkeypatch
):
    monkeypatch.setattr("lumbung.sources.files.BATCH_ROWS", 1)
    good = _student(b'"Ambon"')
    harness.file("student.json", b'[{"id":"s0"},%s,{"id":' % good)
    with pytest.raises(SourceError, match=r"student\.json"):
        take("student")
    assert committed("student") is None
    assert [row["line"] for row in read(attempted("student").rejects)] == [1]


def test_a_source_that_breaks_half_way_leaves_no_file_open(harness, take):
    harness.file("student.json", b'[{"id":')
    with pytest.raises(SourceError) as refusal:
        take("student")
    # the error still holds the frames that had opened them
    names = [str(entry.readlink()) for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()]
    assert "student.json" in str(refusal.value)
    assert [name for name in names if "/lumbung-" in name and "deleted" in name] == []


def test_a_database_that_is_away_is_worth_another_try(take, attempted):
    with pytest.raises(SourceUnavailableError, match="connection pinter_skuy: no connection"):
        take("course_enrollment", dsn="postgresql://nobody@127.0.0.1:1/none")
    assert attempted("course_enrollment").state == "refused"
