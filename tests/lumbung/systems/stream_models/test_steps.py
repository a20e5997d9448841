"""A stream to models, by a real broker, a real Spark (Sail) and the local BigQuery server."""

import contextlib
from datetime import UTC, date, datetime, timedelta

import pytest

from lumbung.core.day import today
from lumbung.core.errors import LumbungError
from lumbung.core.settings import Settings
from lumbung.models.release import newest_release, rollback
from lumbung.pipeline.publish import SUPERSEDED
from lumbung.pipeline.run import Run
from lumbung.report import render
from lumbung.report.data import collect
from lumbung.systems.stream_models import steps
from lumbung.systems.stream_models.prune import plan
from lumbung.systems.stream_models.status import accounting, status
from lumbung.systems.stream_models.training import MODELS
from lumbung.systems.stream_models.version import newest_version, version_of, write_plan
from support.activity import Activity, replay, row
from support.models_harness import APART, FIRST, RUN_DAY, activity

ROWS = [activity(number) for number in range(120)]
MORE = [activity(number, rating=number % 4 + 1) for number in range(120, 200)]
# The later the stage, the more is there already; each writes something of its own.
KILLED_AFTER = ["batch", "train", "evaluate", "load", "build", "publish"]
BAD = (b"no JSON", {**activity(1), "rating": 9})


@pytest.fixture
def harness(make_models_harness):
    return make_models_harness()


def rows_by_batch(harness):
    """Activities by batch, as they are published."""
    rows = harness.rows("SELECT batch, COUNT(*) AS n FROM {dwh.fact_activity} GROUP BY batch ORDER BY batch")
    return {row["batch"]: row["n"] for row in rows}


def runs(harness):
    """What runs trained, by run and model: whether it was trained before."""
    rows = harness.rows("SELECT run_id, model_id, reused FROM {ops.model_run} ORDER BY run_id, model_id")
    return {(row["run_id"], row["model_id"]): bool(row["reused"]) for row in rows}


def test_a_run_publishes_models_and_serves_them_and_the_next_one_trains_nothing(harness):
    file = harness.give("a", *ROWS[:60], *BAD, *ROWS[60:])
    first = harness.take(file)
    assert rows_by_batch(harness) == {1: 40, 2: 38, 3: 40, 4: 2}
    models = [f"{scheme}-{number}" for scheme in "ab" for number in (1, 2, 3, 4)]
    quality = harness.answers()["quality"]
    assert {row["model_id"] for row in quality} == set(models)
    measured = {row["model_id"] for row in quality if row["value"] is not None}
    assert measured == set(models) - {"a-4", "b-4"}, "on the next batch, which the last models have not"
    assert {row["batch"] for row in quality if row["model_id"] == "b-2" and row["value"] is not None} == {3}
    release = newest_release(harness.lake)
    assert release.latest == {"a": "a-4", "b": "b-4"}
    assert [model.batches for model in release.models if model.scheme == "b"] == [[1], [1, 2], [1, 2, 3], [1, 2, 3, 4]]
    assert {row["batch"] for row in release.drift} == {1, 2, 3, 4}
    counted = accounting(harness.lake, RUN_DAY)
    assert (counted.rows_read, counted.rows_loaded, counted.rows_rejected) == (122, 120, 2)
    rejected = harness.rows("SELECT system, entity, line, raw FROM {staging.rejected_row} ORDER BY line")
    assert [(row["system"], row["entity"], row["line"]) for row in rejected] == [
        ("stream_models", "activity", 60),
        ("stream_models", "activity", 61),
    ]
    before = harness.contents()
    second = harness.take(file)
    assert second.to_train == []
    assert (second.did["replay"].rows_out, second.did["load"][0].note) == (0, "0 days loaded")
    assert harness.contents() == before
    assert newest_release(harness.lake) == release
    # a-1 and b-1 are the same model: whichever comes second finds it trained.
    ids = {first.run.run_id: {"b-1"}, second.run.run_id: set(models)}
    assert runs(harness) == {(run, model): model in ids[run] for run in ids for model in models}


def test_another_dataset_adds_batches_and_only_models_on_them_are_trained(harness):
    harness.take(harness.give("a", *ROWS))
    run = harness.take(harness.give("b", *MORE))
    assert run.to_train == ["a-4", "a-5", "b-4", "b-5"]
    assert rows_by_batch(harness) == dict.fromkeys(range(1, 6), 40)
    changed = {(FIRST + number * APART + timedelta(hours=7)).date() for number in range(120, 200)}
    assert set(run.target.changed) == changed, "the other days stay as they are published"
    assert newest_release(harness.lake).latest == {"a": "a-5", "b": "b-5"}
    measured = {model.id for model in newest_release(harness.lake).models if model.metrics}
    assert measured == {f"{scheme}-{number}" for scheme in "ab" for number in (1, 2, 3, 4)}


def test_a_short_last_batch_is_filled_and_its_models_are_trained_again(harness):
    harness.take(harness.give("a", *ROWS[:100]))
    old = {model.id: model.key for model in newest_release(harness.lake).models}
    run = harness.take(harness.give("b", *ROWS[100:]))
    assert run.to_train == ["a-3", "b-3"]
    new = {model.id: model.key for model in newest_release(harness.lake).models}
    assert {name for name in new if new[name] != old[name]} == {"a-3", "b-3"}


@pytest.fixture(scope="module")
def undisturbed(new_models_harness):
    """A harness after an undisturbed run; not to be changed."""
    with contextlib.closing(new_models_harness()) as harness:
        harness.take(harness.give("a", *ROWS))
        yield harness


@pytest.mark.parametrize("stage", KILLED_AFTER)
def test_a_run_that_was_killed_after_any_stage_is_run_again(harness, undisturbed, stage):
    file = harness.give("a", *ROWS)
    harness.run(file).up_to(stage)
    harness.take(file)
    assert harness.contents() == undisturbed.contents()
    assert newest_release(harness.lake).latest == {"a": "a-3", "b": "b-3"}


def test_a_slow_run_does_not_bring_back_fewer_batches(harness):
    slow = harness.run(harness.give("a", *ROWS)).up_to("train")
    fast = harness.take(harness.give("b", *MORE))
    before = harness.contents()
    slow.after("train")
    assert version_of(slow.run, slow.target).plan.batches == version_of(fast.run, fast.target).plan.batches
    assert harness.contents() == before
    assert newest_release(harness.lake).latest == {"a": "a-5", "b": "b-5"}


def test_an_older_version_is_superseded(harness):
    file = harness.give("a", *ROWS)
    older = harness.run(file).up_to("build")
    newer = harness.take(file, by="count:60")
    assert rows_by_batch(harness) == {1: 60, 2: 60}
    release = newest_release(harness.lake)
    older.after("build")
    assert SUPERSEDED in older.did["publish"].note
    assert rows_by_batch(harness) == {1: 60, 2: 60}
    assert newest_release(harness.lake) == release
    with pytest.raises(KeyError):
        older.did["activate"]
    assert steps.activate(older.run, older.target).note == SUPERSEDED
    assert newest_version(harness.lake).generation == newer.target.generation


def test_days_that_another_way_to_cut_leaves_open_are_emptied(harness):
    """As a window does that has not ended; here the run's plan has no batch of the last day."""
    harness.take(harness.give("a", *ROWS))
    version = newest_version(harness.lake)
    last = max(version.days)
    run = harness.run("none").up_to("evaluate")
    batches = [batch for batch in version.plan.batches if last not in batch.days]
    write_plan(run.run, version.plan.model_copy(update={"by": "event:24h", "batches": batches}))
    run.after("evaluate")
    left = {row["d"] for row in harness.rows("SELECT DISTINCT activity_date AS d FROM {dwh.fact_activity}")}
    assert left == {day for batch in batches for day in batch.days} < set(version.days)
    assert run.target.day == last, "the version's day does not get earlier"


def test_a_past_day_is_run_again_and_changes_nothing_but_its_own_records(harness):
    file = harness.give("a", *ROWS)
    harness.take(file)
    before = harness.contents("dwh", "datamart")
    past = RUN_DAY - timedelta(days=9)
    harness.take(file, past)
    assert harness.contents("dwh", "datamart") == before
    days = {row["day"] for row in harness.rows("SELECT DISTINCT day FROM {ops.model_run}")}
    assert days == {RUN_DAY, past}


def test_one_scheme_alone_is_trained(harness):
    run = harness.take(harness.give("a", *ROWS), scheme="a")
    assert run.to_train == ["a-1", "a-2", "a-3"]
    # b-1 is the same model as a-1, but nobody asked for it.
    assert [model.id for model in newest_release(harness.lake).models] == ["a-1", "a-2", "a-3"]


def test_a_rollback_lasts_until_there_is_a_new_model(harness):
    file = harness.give("a", *ROWS)
    at = harness.take(file).run.started_at
    rollback(harness.lake, "b-2", at)
    harness.take(file)
    assert newest_release(harness.lake).latest == {"a": "a-3", "b": "b-2"}
    harness.take(harness.give("b", *MORE))
    assert newest_release(harness.lake).latest == {"a": "a-5", "b": "b-5"}


def test_pruned_models_are_gone_and_are_not_trained_again(harness):
    file = harness.give("a", *ROWS)
    harness.take(file)
    would = steps.prune_models(harness.lake, keep=1, dry_run=True)
    assert [model.id for model in would] == ["a-1", "a-2", "b-1", "b-2"]
    assert steps.prune_models(harness.lake, keep=1, dry_run=False) == would
    assert len([name for name in harness.lake.names(MODELS) if name.endswith(".npz")]) == 2
    run = harness.take(file)
    assert run.to_train == []
    release = newest_release(harness.lake)
    assert [model.id for model in release.models if model.pruned] == ["a-1", "a-2", "b-1", "b-2"]
    assert release.latest == {"a": "a-3", "b": "b-3"}


def test_status_is_of_the_newest_batches_and_their_models(undisturbed):
    shown = status(undisturbed.lake).to_json()
    assert shown["batches"][1] == {"number": 2, "rows": 40, "rejected": 0, "first_seq": 40, "last_seq": 79}
    assert set(shown) == {"batches", "models"}
    model = next(model for model in shown["models"] if model["id"] == "b-2")
    assert set(model) == {"id", "scheme", "number", "rows", "batches", "kinds", "metrics"}
    assert (model["scheme"], model["number"], model["rows"], model["batches"]) == ("b", 2, 80, [1, 2])
    assert set(model["metrics"]["rating_rmse"]) == {"value", "baseline", "truth", "batch", "rows"}
    last = next(model for model in shown["models"] if model["id"] == "b-3")
    assert last["metrics"] == {}


def test_the_report_shows_curves_drift_and_what_is_recommended(undisturbed):
    page = render(collect(undisturbed.warehouse, undisturbed.lake, undisturbed.settings))
    assert "recall_at_20" in page
    assert "What is recommended to a student" in page
    assert "s00" in page
    assert "<bdi>c" in page


def test_the_version_s_day_is_the_last_with_an_activity(undisturbed):
    (fresh,) = undisturbed.rows("SELECT system, published_day, generation FROM {datamart.freshness}")
    assert fresh == {"system": "stream_models", "published_day": date(2026, 11, 21), "generation": 1}


@pytest.mark.parametrize(
    ("option", "value"), [("by", "rows:5"), ("scheme", "c"), ("trainer", "numpy"), ("delay", "5..1")]
)
def test_an_option_that_is_wrong_is_refused_with_its_name(undisturbed, option, value):
    run = undisturbed.run(undisturbed.folder / "a.ndjson")
    run.run.options[option] = value
    with pytest.raises(LumbungError, match=f"--{option}"):
        run.through(("replay", "batch", "features"))


def test_nothing_landed_is_nothing_to_do(harness):
    assert status(harness.lake).to_json() == {"batches": [], "models": []}
    run = harness.run("none", by="count:40").up_to("land")
    assert run.batch().skipped


def test_a_dataset_without_one_activity_is_nothing_to_do_but_its_rejects_are_kept(harness):
    run = harness.run(harness.give("a", *({**row, "rating": 9} for row in ROWS[:3]))).up_to("rejected")
    assert (run.to_train, run.decided.skipped) == ([], True)
    assert harness.rows("SELECT COUNT(*) AS n FROM {staging.rejected_row}") == [{"n": 3}]


def test_a_run_that_is_cleared_still_says_what_it_trained(harness):
    run = harness.run(harness.give("a", *ROWS)).up_to("train")
    run.through(("features", "train", "model_run"))
    assert [name for (_, name), reused in runs(harness).items() if reused] == ["b-1"]


def test_windows_are_batches_numbered_by_their_start(harness):
    """By the events' own time: 12 hours from 08:00 in Jakarta on."""
    run = harness.take(harness.give("a", *ROWS), by="event:12h")
    assert rows_by_batch(harness) == {20261120000000: 12, 20261120120000: 36, 20261121000000: 36, 20261121120000: 36}
    assert newest_release(harness.lake).latest == {"a": "a-20261121120000", "b": "b-20261121120000"}
    drift = harness.rows("SELECT batch, batch_before FROM {datamart.model_drift} WHERE feature = 'hour' ORDER BY batch")
    assert [row["batch_before"] for row in drift] == [None, 20261120000000, 20261120120000, 20261121000000]
    assert run.target.day == date(2026, 11, 21)


def test_an_event_that_says_it_is_of_a_far_day_is_loaded_and_the_version_stays_of_today(harness):
    run = harness.take(harness.give("a", *ROWS[:40], activity(40, event_time="2098-01-01T00:00:00Z")))
    assert run.target.day == today()
    days = harness.rows("SELECT MAX(activity_date) AS last FROM {dwh.fact_activity}")
    assert f"{days[0]['last']}" == "2098-01-01"


def test_windows_of_the_append_time_close_without_a_further_row(harness):
    """All has been replayed, so the last window closes at once."""
    harness.take(harness.give("a", *ROWS), by="window:1h")
    assert sum(rows_by_batch(harness).values()) == len(ROWS)


def test_prune_deletes_what_nothing_is_made_from_any_more(harness):
    harness.take(harness.give("a", *ROWS[:100]))
    file = harness.give("b", *ROWS[100:])
    harness.take(file)
    before = harness.contents()
    pruned = plan(harness.lake, datetime.now(UTC) + timedelta(hours=1))
    gone = [stored.path for stored in (*pruned.records, *pruned.data)]
    # The short batch, its two models and the version, release and plans of the first run; the second run's plan.
    assert {path.partition("/")[0] for path in gone} >= {
        "batches",
        "models",
        "features",
        "version",
        "releases",
        "plans",
    }
    for path in gone:
        harness.lake.delete(path)
    run = harness.take(file)
    assert run.to_train == []
    assert harness.contents() == before
    assert len([name for name in harness.lake.names(MODELS) if name.endswith(".npz")]) == 5
    assert {model.id for model in newest_release(harness.lake).models} == {f"{s}-{n}" for s in "ab" for n in (1, 2, 3)}


def test_rows_that_are_in_no_batch_are_counted(tmp_path):
    """A row that was lost holds up its batch and all behind it."""
    stream = Activity(tmp_path)
    replay(stream.lake, 1, 0, 30)
    stream.send(*(row(seq) for seq in range(30) if seq != 15))
    stopped = Run(
        settings=Settings.of(home=tmp_path), warehouse=None, system="stream_models", run_id="r", day=RUN_DAY,
        started_at=datetime.now(UTC), options={"by": "count:10"},
    )  # fmt: skip
    stopped.__dict__["lake"] = stream.lake
    assert steps.batch(stopped).note == "1 batch; 20 replayed rows are in none yet"
    stream.send(row(15))
    assert steps.batch(stopped).note == "3 batches"
