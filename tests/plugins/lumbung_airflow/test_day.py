"""Every way to start a run of a real Airflow, and the day its task sees."""

import json
import re
import time
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock

import pytest

from lumbung.core.day import JAKARTA, today
from support.airflow_stack import AirflowStack

pytestmark = pytest.mark.midnight

DAG_FILE = """
import json, os
from datetime import datetime
from airflow.sdk import DAG, Param, task
from lumbung_airflow.day import run_day
from lumbung_airflow.timetable import DailyTimetable

for name, start in {starts}.items():
    with DAG(
        name,
        schedule=DailyTimetable(),
        start_date=datetime.fromisoformat(start),
        catchup=False,
        params={{"day": Param(None, type=["null", "string"], format="date")}},
        default_args={{"retries": 2}},
    ):
        @task
        def write(**context):
            line = json.dumps({{"run_id": context["run_id"], "day": str(run_day(context))}})
            with open(os.environ["DAYS"], "a") as days:
                print(line, file=days)

        write()
"""
# Days in the past and a day in the future, whenever a test runs. The day it is then may be a later one than at import.
IMPORTED = today()
FUTURE = IMPORTED + timedelta(days=1000)
BACKFILLED = ("span", "single", "future", "done", "again", "refused")


def ago(days):
    """A past day."""
    return IMPORTED - timedelta(days=days)


def at(day, hour):
    """`hour` o'clock UTC of `day`, as the API takes it."""
    return datetime.combine(day, clock(hour), UTC).isoformat()


class Today:
    """The day it is in Jakarta; two, where one ended between the beginning of a test and the comparison."""

    def __init__(self):
        self.began = today()

    def __eq__(self, other):
        return other in {f"{self.began}", f"{today()}"}

    def __hash__(self):
        return 0

    def __repr__(self):
        return f"{self.began} or {today()}"


@pytest.fixture(scope="module")
def stack(tmp_path_factory, databases):
    home = tmp_path_factory.mktemp("airflow")
    (home / "dags").mkdir()
    # Only `routes` has scheduled runs; those of the backfilled ones begin in the future. `tested` stays paused:
    # else the scheduler takes part in a run of `dags test`. For a logical date before a DAG's start, no task is run.
    starts = dict.fromkeys(("routes", "tested"), at(ago(30), 0)) | dict.fromkeys(BACKFILLED, at(FUTURE, 0))
    (home / "dags" / "routes.py").write_text(DAG_FILE.format(starts=starts))
    stack = AirflowStack(home, home / "dags", databases, {"DAYS": str(home / "days.jsonl")})
    try:
        stack.start()
        for dag in ("routes", *BACKFILLED):
            stack.api("PATCH", f"/dags/{dag}", json={"is_paused": False}).raise_for_status()
        yield stack
    finally:
        stack.stop()


def runs(stack, dag):
    answer = stack.api("GET", f"/dags/{dag}/dagRuns", params={"limit": 100, "order_by": "id"})
    return answer.raise_for_status().json()["dag_runs"]


def post(stack, dag, body):
    answer = stack.api("POST", f"/dags/{dag}/dagRuns", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["dag_run_id"]


def finished(stack, dag, at_least=1, timeout=90):
    """All runs of a DAG, when each has ended."""
    deadline = time.monotonic() + timeout
    while True:
        finished = runs(stack, dag)
        if len(finished) >= at_least and all(run["state"] in ("success", "failed") for run in finished):
            return finished
        assert time.monotonic() < deadline, [(run["dag_run_id"], run["state"]) for run in finished]
        time.sleep(0.3)


def days(stack):
    """The day each run's task saw, by run id; the last one, if it ran more than once."""
    lines = (stack.home / "days.jsonl").read_text().splitlines()
    return {line["run_id"]: line["day"] for line in map(json.loads, lines)}


def backfill(stack, dag, first, last, *options, check=True):
    span = ("--from-date", str(first), "--to-date", str(last))
    return stack.run("backfill", "create", "--dag-id", dag, *span, *options, check=check)


def seen(stack, dag):
    """The days a DAG's backfilled runs saw."""
    ended = [run["dag_run_id"] for run in finished(stack, dag) if run["run_type"] == "backfill"]
    by_run = days(stack)  # what they wrote is read when they have ended
    return [by_run[run_id] for run_id in ended]


def failure(stack, dag, run_id):
    """State, tries and the last log line (but Airflow's folding marks) of a run's task."""
    task = f"/dags/{dag}/dagRuns/{run_id}/taskInstances/write"
    instance = stack.api("GET", task).raise_for_status().json()
    log = stack.api("GET", f"{task}/logs/{instance['try_number']}", headers={"Accept": "application/json"})
    lines = [line for line in log.raise_for_status().json()["content"] if not line["event"].startswith("::")]
    return instance["state"], instance["try_number"], lines[-1]["error_detail"][-1]["exc_value"]


def test_the_scheduled_run_is_for_the_day_that_just_ended(stack):
    # One more each time that it becomes 00:30 in Jakarta.
    scheduled = [run for run in finished(stack, "routes") if run["run_type"] == "scheduled"]
    for run in scheduled:
        due = datetime.fromisoformat(run["run_after"])
        ended = today(due) - timedelta(days=1)
        assert due == datetime.combine(today(due), clock(0, 30), JAKARTA)
        assert days(stack)[run["dag_run_id"]] == run["partition_key"] == str(ended)
    # The same partition as a backfill of that day, which Airflow therefore leaves out.
    backfill(stack, "routes", ended, ended)
    assert [run for run in runs(stack, "routes") if run["run_type"] == "backfill"] == []


def test_a_run_posted_to_the_api_is_for_the_day_it_names(stack):
    early, late, key, param, other = (ago(n) for n in (9, 8, 6, 5, 4))
    # What the trigger form of the UI sends for a DAG whose runs have partitions: it offers no logical date.
    now = Today()
    form = {"data_interval_start": None, "data_interval_end": None, "logical_date": None}
    expected = {
        post(stack, "routes", body): day if day is now else str(day)
        for body, day in (
            ({"logical_date": at(early, 0)}, early),
            ({"logical_date": at(late, 20)}, late + timedelta(days=1)),
            ({"logical_date": None}, now),
            ({"logical_date": None, "run_after": at(ago(7), 1)}, ago(7)),
            ({"logical_date": None, "partition_key": str(key)}, key),
            ({"logical_date": None, "conf": {"day": str(param)}}, param),
            ({"logical_date": at(other, 1), "conf": {"day": str(param)}}, param),
            ({"logical_date": None, "partition_key": str(key), "conf": {"day": str(param)}}, param),
            ({**form, "conf": {"day": None}}, now),
            ({**form, "conf": {"day": str(param)}}, param),
            ({**form, "conf": {"day": None}, "partition_key": str(key)}, key),
        )
    }
    finished(stack, "routes", at_least=len(expected))
    assert {run_id: days(stack).get(run_id) for run_id in expected} == expected


def test_every_run_has_its_day_as_partition_and_in_its_note(stack):
    """Whichever of the tests above made it: on schedule, by the API or the form."""
    seen = days(stack)
    marks = {run["dag_run_id"]: (run["partition_key"], run["note"]) for run in finished(stack, "routes")}
    assert marks == {run_id: (seen[run_id], f"Business day: {seen[run_id]}") for run_id in marks}


def test_a_note_of_the_one_who_starts_a_run_stays(stack):
    run_id = post(stack, "routes", {"logical_date": None, "conf": {"day": str(ago(3))}, "note": "after the repair"})
    note = stack.api("GET", f"/dags/routes/dagRuns/{run_id}").json()["note"]
    assert note == f"Business day: {ago(3)}\n\nafter the repair"
    finished(stack, "routes")


def test_a_future_day_fails_at_once_and_says_why(stack):
    now = Today()
    refused = [
        post(stack, "routes", body)
        for body in (
            {"logical_date": None, "partition_key": str(FUTURE)},
            {"logical_date": None, "conf": {"day": str(FUTURE)}},
        )
    ]
    finished(stack, "routes", at_least=len(refused))
    reason = re.compile(rf"day: {FUTURE} has not begun: in Jakarta it is ([0-9-]+)\. Give today or an earlier day\.")
    for run_id in refused:
        state, tries, said = failure(stack, "routes", run_id)
        assert (state, tries, reason.fullmatch(said)[1]) == ("failed", 1, now)
    assert not set(refused) & set(days(stack))


def test_airflow_refuses_what_it_can_tell_before_a_run_is_made(stack):
    before = len(runs(stack, "routes"))
    for body in (
        {"logical_date": at(FUTURE, 0)},  # Airflow itself would let the run wait for its logical date
        {"logical_date": None, "partition_key": "monday"},
        {"logical_date": None, "conf": {"day": "monday"}},
        {"logical_date": None, "conf": {"day": "2026-02-30"}},
    ):
        assert stack.api("POST", "/dags/routes/dagRuns", json=body).status_code == 400
    assert len(runs(stack, "routes")) == before


def test_a_cleared_run_keeps_its_day(stack):
    run_id = post(stack, "routes", {"logical_date": None, "run_after": at(ago(2), 20)})
    path = f"/dags/routes/dagRuns/{run_id}"
    finished(stack, "routes")
    asked = stack.api("GET", path).json()["run_after"]
    stack.api("POST", f"{path}/clear", json={"dry_run": False}).raise_for_status()
    finished(stack, "routes")
    lines = (stack.home / "days.jsonl").read_text().splitlines()
    assert [line["day"] for line in map(json.loads, lines) if line["run_id"] == run_id] == [str(ago(1))] * 2
    assert stack.api("GET", path).json()["run_after"] == asked


def test_dags_test_is_for_the_day_on_its_command_line(stack):
    before = set(days(stack))
    stack.run("dags", "test", "tested", str(ago(12)))
    assert [day for run_id, day in days(stack).items() if run_id not in before] == [str(ago(12))]
    (run,) = runs(stack, "tested")
    assert (run["partition_key"], run["note"]) == (str(ago(12)), f"Business day: {ago(12)}")


def test_dags_test_of_today_works_at_any_hour(stack):
    """Before 07:00 in Jakarta, midnight UTC of today is in the future; midnight in Jakarta is not."""
    before, day = set(days(stack)), str(today())
    stack.run("dags", "test", "tested", day, AIRFLOW__CORE__DEFAULT_TIMEZONE="Asia/Jakarta")
    assert [day for run_id, day in days(stack).items() if run_id not in before] == [day]


def test_dags_test_refuses_a_future_day(stack):
    before = days(stack)
    done = stack.run("dags", "test", "tested", str(FUTURE), check=False)
    assert done.returncode != 0
    assert f"logical_date {FUTURE}" in done.stdout + done.stderr
    assert days(stack) == before


def test_a_backfill_is_for_its_days_both_included(stack):
    backfill(stack, "span", ago(12), ago(10))
    assert sorted(seen(stack, "span")) == [str(ago(n)) for n in (12, 11, 10)]


def test_a_backfill_is_not_given_one_day_for_all_its_runs(stack):
    conf = {"day": str(ago(11))}
    span = {"from_date": at(ago(12), 0), "to_date": at(ago(10), 0)}
    answer = stack.api("POST", "/backfills", json={"dag_id": "refused", **span, "dag_run_conf": conf})
    assert answer.status_code == 422
    assert f"day: {ago(11)} would be the business day of every run of this backfill" in answer.text
    done = backfill(stack, "refused", ago(12), ago(10), "--dag-run-conf", json.dumps(conf), check=False)
    assert done.returncode != 0
    assert "Leave it empty: each run is for a day of the range." in done.stdout + done.stderr
    assert stack.api("GET", "/backfills", params={"dag_id": "refused"}).json()["backfills"] == []
    assert runs(stack, "refused") == []


def test_a_backfill_of_one_day_makes_one_run(stack):
    backfill(stack, "single", ago(12), ago(12))
    assert seen(stack, "single") == [str(ago(12))]


def test_a_backfill_into_the_future_ends_today(stack):
    assert backfill(stack, "future", FUTURE, FUTURE, check=False).returncode != 0
    assert runs(stack, "future") == []
    first, now = today() - timedelta(days=1), Today()
    backfill(stack, "future", first, FUTURE)
    *ended, last = sorted(seen(stack, "future"))
    assert last == now
    assert ended == [str(first + timedelta(days=n)) for n in range(len(ended))]
    assert date.fromisoformat(last) == first + timedelta(days=len(ended))


@pytest.mark.parametrize(
    ("dag", "options", "again"), [("done", (), 0), ("again", ("--reprocess-behavior", "completed"), 1)]
)
def test_a_backfill_runs_a_finished_day_again_only_when_asked(stack, dag, options, again):
    post(stack, dag, {"logical_date": None, "partition_key": str(ago(11))})
    finished(stack, dag)
    backfill(stack, dag, ago(12), ago(11), *options)
    assert Counter(seen(stack, dag)) == Counter({str(ago(12)): 1, str(ago(11)): again})
