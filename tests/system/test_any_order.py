"""Any order, any number of times, killed or at the same time: the warehouse ends the same, to the row."""

import contextlib
import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from lumbung.storage.client_errors import UnavailableError
from support.pipeline import sources_of

DAYS = ["2026-11-10", "2026-11-11", "2026-11-12"]
# What the sources hold when a day is taken, and when the second day is taken a second time.
LATER = "2026-11-11 again"


def sources_at(moment):
    return sources_of(moment, [*DAYS, LATER].index(moment))


def take(harness, moment):
    harness.fill(sources_at(moment))
    return harness.take(moment[:10], refresh=moment == LATER)


@pytest.fixture(scope="module")
def in_order(new_harness):
    """The warehouse after each day was run once, in order, and the second day again."""
    with contextlib.closing(new_harness()) as harness:
        for moment in (*DAYS, LATER):
            take(harness, moment)
        harness.expected = harness.checksum()
        yield harness


def test_whole_tables_show_the_newest_day_and_daily_tables_each_day(in_order):
    cities = {row["city"] for row in in_order.rows("SELECT city FROM {dwh.dim_student}")}
    assert cities == {f"{city} {DAYS[-1]}" for city in ("Bandung", "Ambon")}
    daily = in_order.rows(
        "SELECT snapshot_date, SUM(enrollments) AS n FROM {dwh.fact_enrollment_daily} GROUP BY snapshot_date"
    )
    assert {f"{row['snapshot_date']}": row["n"] for row in daily} == {DAYS[0]: 4, DAYS[1]: 7, DAYS[2]: 6}
    assert len(in_order.rejected(DAYS[0])) == 2


@pytest.mark.parametrize(
    "order",
    [(DAYS[2], DAYS[1], DAYS[0], LATER), (DAYS[1], DAYS[2], LATER, DAYS[0], DAYS[1])],
    ids=["backwards", "with reruns"],
)
def test_in_any_order(make_harness, in_order, order):
    harness = make_harness()
    for moment in order:
        take(harness, moment)
    assert harness.checksum() == in_order.expected


@pytest.mark.parametrize("seed", [1, 2])
def test_runs_that_interleave_and_are_killed(make_harness, in_order, seed):
    """Stages of several runs in a random order, some runs killed at a random place and run again."""
    harness, choice = make_harness(), random.Random(seed)
    for day in DAYS:  # the first snapshots, so that all that follows sees the same lake
        harness.fill(sources_at(day))
        harness.run(day).extract()
    harness.fill(sources_at(LATER))
    runs = [(day, harness.run(day).stages()) for day in choice.sample(DAYS, 3)]
    runs.append((DAYS[1], harness.run(DAYS[1], refresh=True).stages()))
    steps, kills = [], 3
    while runs:
        index = choice.randrange(len(runs))
        day, stages = runs[index]
        steps.append(day)
        if kills and choice.random() < 0.15:
            kills -= 1
            steps.append("killed")
            runs[index] = (day, harness.run(day).stages())
        elif next(stages, "over") == "over":
            del runs[index]
    if len(harness.lake.names(f"version/pinter_skuy/dt={DAYS[1]}")) < 2:
        harness.take(DAYS[1], refresh=True)  # the refresh was killed before it took anything
    assert harness.checksum() == in_order.expected, steps


def test_runs_at_the_same_time(make_harness, in_order):
    harness = make_harness()
    for day in DAYS:
        harness.fill(sources_at(day))
        harness.run(day).extract()
    harness.fill(sources_at(LATER))
    runs = [*(harness.run(day) for day in DAYS), harness.run(DAYS[1], refresh=True), harness.run(DAYS[2])]
    with ThreadPoolExecutor(5) as pool:
        for done in [pool.submit(run.all) for run in runs]:
            done.result()
    assert harness.checksum() == in_order.expected


@pytest.mark.parametrize("has_version", [True, False])
def test_a_run_beside_half_a_refresh_sees_none_of_it(make_harness, in_order, has_version):
    harness = make_harness()
    for day in DAYS:
        harness.fill(sources_at(day))
        harness.take(day) if has_version else harness.run(day).extract()
    harness.fill(sources_at(LATER))
    refresh = harness.run(DAYS[1], refresh=True)
    refresh.start()
    refresh.extract("course_enrollment", "campus_branch")
    assert set(harness.take(DAYS[1]).version.generations.values()) == {1}
    refresh.all()
    harness.take(DAYS[2])
    harness.take(DAYS[0])
    assert harness.checksum() == in_order.expected


def test_all_tables_in_another_order(make_harness):
    """The same with every table of the project."""
    forward, backward = make_harness(catalog=None), make_harness(catalog=None)
    for harness, days in ((forward, DAYS[:2]), (backward, DAYS[1::-1])):
        for day in days:
            take(harness, day)
    assert forward.checksum() == backward.checksum()
    assert len(forward.checksum()) == 25


def test_a_warehouse_killed_in_the_middle_of_a_load(make_harness, in_order, start_bigquery, tmp_path, monkeypatch):
    process, url = start_bigquery(tmp_path / "data")
    harness = make_harness(server=url)
    for moment in (DAYS[0], DAYS[1], LATER):
        take(harness, moment)
    harness.fill(sources_at(DAYS[2]))
    run = harness.run(DAYS[2])
    for stage in (run.start, run.extract, run.snapshot, run.rejected):
        stage()
    run.load("course", "course_category")

    class Cut:
        """A file of which the server gets the first bytes only."""

        def __init__(self, file):
            self.file = file

        def read(self, *size):
            process.kill()
            process.wait()
            return self.file.read(*size)

        def __getattr__(self, name):
            return getattr(self.file, name)

    upload = harness.warehouse.client.load_table_from_file
    monkeypatch.setattr(
        harness.warehouse.client, "load_table_from_file", lambda file, *a, **k: upload(Cut(file), *a, **k)
    )
    with pytest.raises(UnavailableError, match=rf"{url} does not answer.*[Ss]ee that it runs, then run again"):
        run.load("student")

    _, again = start_bigquery(tmp_path / "data")
    harness.move(again)
    take(harness, DAYS[2])
    assert harness.checksum() == in_order.expected
