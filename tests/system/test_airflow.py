"""The DAG `enrollment` under `lumbung up`: a real scheduler, a real API server, runs of every kind at once."""

import json
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from lumbung.catalog import query
from lumbung.catalog.contract import Catalog
from lumbung.core.day import today
from lumbung.core.errors import LumbungError
from lumbung.orchestrator.api import Api
from support import listening
from support.hook import posts

pytestmark = pytest.mark.midnight

Make = Callable[..., Any]
PAST = today() - timedelta(days=10)
FIRST, LAST, EVENING = PAST, PAST + timedelta(days=1), PAST + timedelta(days=3)


@pytest.fixture(scope="module")
def notifications() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """Where failed runs are posted to, and what came."""
    with posts() as hook:
        yield hook


@pytest.fixture(scope="module")
def up(make_home: Make, notifications: tuple[str, list[dict[str, str]]]) -> Iterator[tuple[Any, Api]]:
    """A home with `lumbung up`."""
    home = make_home(
        environ={
            "LUMBUNG_NOTIFY_WEBHOOK": notifications[0],
            "LUMBUNG_NOTIFY_DEADLINE": "00:31",
            "LUMBUNG_AIRFLOW_USERS": "rani:viewer",
        }
    )
    process = subprocess.Popen(home.command("up"), env=home.env(), stdout=subprocess.PIPE, text=True)
    lines: list[str] = []
    reader = threading.Thread(target=lambda: lines.extend(iter(process.stdout.readline, "")), daemon=True)
    reader.start()
    until = time.monotonic() + 180
    while not (match := re.search(r"Airflow: (\S+)\s+user: (\S+)\s+password: (\S+)", "".join(lines))):
        assert process.poll() is None, "".join(lines)
        assert time.monotonic() < until, "".join(lines)
        time.sleep(0.5)
    home.lines = lines
    yield home, Api(*match.groups())
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert home.processes() == []


def wait(api: Api, run_id: str) -> dict[str, Any]:
    until = time.monotonic() + 600
    while (run := api.dag_run("enrollment", run_id))["state"] not in ("success", "failed"):
        assert time.monotonic() < until, api.task_instances("enrollment", run_id)
        time.sleep(1)
    return run


def scheduled(api: Api) -> list[dict[str, Any]]:
    """The scheduled runs, each for the day that ended before it: one, and one more when it becomes 00:30 in Jakarta."""
    until = time.monotonic() + 60
    while not (runs := api.dag_runs("enrollment", run_type="scheduled")):  # Airflow is up before its first look
        assert time.monotonic() < until
        time.sleep(0.5)
    for run in runs:
        assert run["partition_key"] == f"{today(datetime.fromisoformat(run['run_after'])) - timedelta(days=1)}"
    return [wait(api, run["dag_run_id"]) for run in runs]


def ended(run: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(run["end_date"])


def days(home: Any) -> set[str]:
    return {row["d"] for row in home.query("SELECT DISTINCT CAST(snapshot_date AS STRING) d FROM staging.student")}


def test_a_viewer_reads_and_does_not_trigger(up) -> None:
    home, api = up
    assert home.lines[0].startswith("Starting the local services and Airflow")
    (password,) = re.findall(r"Also user: rani \(viewer\)  password: (\S+)", "".join(home.lines))
    viewer = Api(api.url, "rani", password)
    assert "enrollment" in viewer.dag_ids()
    with pytest.raises(LumbungError, match="403"):
        viewer.trigger("enrollment", {"day": f"{PAST}"})


def test_the_schedule_runs_yesterday(up) -> None:
    home, api = up
    runs = scheduled(api)
    assert {run["state"] for run in runs} == {"success"}
    published = home.json("answers", "--json")["day"]
    assert max(run["partition_key"] for run in runs) <= published <= f"{today() - timedelta(days=1)}"


def test_a_scheduled_run_that_has_not_published_in_time_is_reported_once(up, notifications) -> None:
    """Airflow was down at 00:31, so the run that it starts now is late; runs that others start are not."""
    _, api = up
    after = {run["dag_run_id"]: ended(run) - datetime.fromisoformat(run["run_after"]) for run in scheduled(api)}
    late = {run_id for run_id, time_taken in after.items() if time_taken > timedelta(minutes=1)}
    until = time.monotonic() + 60
    while not late <= {run["run_id"] for run in notifications[1]} and time.monotonic() < until:
        time.sleep(0.5)
    reported = [run for run in notifications[1] if "is late" in run["text"]]
    assert {run["run_id"] for run in reported} == late
    assert len(reported) == len(late)
    for run in reported:
        assert re.fullmatch(r"it has not ended well by 00:31 Asia/Jakarta, it is \w+", run["reason"])


def test_airflows_own_pages_say_what_a_run_did(up) -> None:
    """Its query, its tables and their rows, and the way to its page."""
    home, api = up
    run = scheduled(api)[0]
    day, path = run["partition_key"], f"/dags/enrollment/dagRuns/{quote(run['dag_run_id'], safe='')}"
    assert run["note"] == f"Business day: {day}"
    task = f"{path}/taskInstances/build.datamart.top_mentor"
    rendered = api._call("GET", task)["rendered_fields"]
    assert re.search(r"FROM `local\.build\.\w+__dwh__fact_course_enrollment`", rendered["sql"])
    assert rendered["parameters"] == {"snapshot_date": day}
    page = f"{api.url}/lumbung/run/enrollment/{quote(run['dag_run_id'], safe='')}"
    assert api._call("GET", f"{task}/links")["extra_links"] == {"Lumbung: this run": page}
    log = api._call("GET", f"{path}/taskInstances/publish/logs/1", headers={"Accept": "application/json"})
    tables = query.tables(Catalog(), "pinter_skuy")
    assert f"{len(tables)} tables published" in [line["event"] for line in log["content"]]

    assets = {asset["name"]: asset for asset in api._call("GET", "/assets", params={"limit": 100})["assets"]}
    mart = assets["datamart.top_mentor"]
    assert mart["group"] == "datamart"
    assert {task["task_id"] for task in mart["producing_tasks"]} == {"build.datamart.top_mentor", "publish"}
    events = api._call("GET", "/assets/events", params={"source_run_id": run["dag_run_id"], "limit": 100})
    rows = {event["uri"]: (event["source_task_id"], event["extra"]) for event in events["asset_events"]}
    assert len(rows) == events["total_entries"]  # nothing is said of a build, only of what is published
    for table in ("datamart.top_mentor", "dwh.dim_student"):
        (counted,) = home.query(f"SELECT COUNT(*) AS n FROM {table}")
        assert rows[table] == ("publish", {"rows": counted["n"], "day": day})
    assert rows["staging.student"][1]["rows"] > 0
    parameters = {"node_id": f"asset:{mart['id']}", "dependency_type": "data"}
    lineage = api._session.get(f"{api.url}/ui/dependencies", params=parameters, timeout=30).json()
    build = "task:enrollment__SEPARATOR__build.datamart.top_mentor"
    sources = {edge["source_id"] for edge in lineage["edges"] if edge["target_id"] == build}
    read = {f"asset:{assets[table]['id']}" for table in ("dwh.dim_mentor", "dwh.fact_course_enrollment")}
    assert sources == read

    dag = api._call("GET", "/dags/enrollment/details")
    assert dag["timetable_description"] == "At 00:30 Asia/Jakarta, for the day that just ended"
    assert dag["owners"] == ["pinter-skuy"]


def test_all_servers_listen_on_loopback_only(up) -> None:
    """Airflow's page, its scheduler and DAG processor, the BigQuery server and PostgreSQL."""
    home, api = up
    addresses = listening.addresses(home.running())
    ports = {port for _, port in addresses}
    assert int(api.url.rpartition(":")[2]) in ports
    for pid_file in ("bigquery.json", "postgres/lumbung.json"):
        assert json.loads((home.folder / pid_file).read_text())["port"] in ports, pid_file
    assert not listening.reachable(addresses)


def test_runs_of_every_kind_at_once_end_in_one_warehouse(up) -> None:
    """A backfill by Airflow's own command, `lumbung run` and a REST run, all at the same time."""
    home, api = up
    command = ["airflow", "backfill", "create", "--dag-id", "enrollment", "--from-date", f"{FIRST}", "--to-date"]
    backfill = subprocess.Popen(
        home.command(*command, f"{LAST}"), env=home.env(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    body = {"logical_date": f"{EVENING - timedelta(days=1)}T20:00:00Z"}  # 03:00 of the evening's day in Jakarta
    posted = api._call("POST", "/dags/enrollment/dagRuns", json=body)["dag_run_id"]
    before = today()
    printed = home.run("run")  # through the running Airflow; today
    assert "extract.student" in printed
    ran = re.search(r"Published: (\S+)", printed)[1]
    assert f"{before}" <= ran <= f"{today()}"
    out, _ = backfill.communicate(timeout=300)
    assert backfill.returncode == 0, out
    assert wait(api, posted)["state"] == "success"
    for run in api.dag_runs("enrollment", run_type="backfill"):
        assert wait(api, run["dag_run_id"])["state"] == "success"
    keys = sorted(run["partition_key"] for run in api.dag_runs("enrollment", run_type="backfill"))
    assert keys == [f"{FIRST}", f"{LAST}"]
    expected = {f"{FIRST}", f"{LAST}", f"{EVENING}", ran, *(run["partition_key"] for run in scheduled(api))}
    assert days(home) == expected
    daily = home.query("SELECT DISTINCT CAST(snapshot_date AS STRING) d FROM datamart.course_enrollment_daily")
    assert {row["d"] for row in daily} == expected
    assert home.json("answers", "--json")["day"] == ran


def test_lumbung_backfill_runs_days_that_are_done_again(up) -> None:
    home, _ = up
    before = home.json("answers", "--json")
    printed = home.run("backfill", f"{LAST}", f"{LAST}")
    assert re.search(rf"{LAST}\s+success", printed)
    assert home.json("answers", "--json") == before
    runs = home.query(
        f"SELECT COUNT(DISTINCT run_id) AS runs FROM ops.run_audit WHERE day = '{LAST}' AND task = 'publish'"
    )
    assert runs == [{"runs": 2}]


def test_a_day_in_the_future_is_refused_with_the_reason_and_notified(up, notifications) -> None:
    _, api = up
    run_id = api.trigger("enrollment", {"day": f"{today() + timedelta(days=3)}"})
    assert wait(api, run_id)["state"] == "failed"
    states = {task["task_id"]: (task["state"], task["try_number"]) for task in api.task_instances("enrollment", run_id)}
    assert states["start"] == ("failed", 1)
    assert states["publish"][0] == "upstream_failed"
    log = json.dumps(api._call("GET", f"/dags/enrollment/dagRuns/{run_id}/taskInstances/start/logs/1"))
    assert "has not begun" in log
    until = time.monotonic() + 120
    while run_id not in (names := [run["run_id"] for run in notifications[1]]) and time.monotonic() < until:
        time.sleep(1)
    assert run_id in names


def test_tweets_need_a_kafka_and_a_dag_that_is_not_paused(up) -> None:
    home, _ = up
    without = home.call("tweets", "run")
    assert without.returncode == 1
    assert "knows no Kafka" in without.stderr
    paused = home.call("tweets", "run", LUMBUNG_KAFKA="127.0.0.1:9")
    assert paused.returncode == 1
    assert "the DAG tweets is paused" in paused.stderr


def test_a_backfill_of_a_paused_dag_is_refused(up) -> None:
    """Airflow would let its runs wait until a person unpauses the DAG."""
    home, api = up
    api._call("PATCH", "/dags/enrollment", json={"is_paused": True})
    refused = home.call("backfill", f"{LAST}", f"{LAST}")
    api._call("PATCH", "/dags/enrollment", json={"is_paused": False})
    assert refused.returncode == 1
    assert "the DAG enrollment is paused" in refused.stderr


def test_a_second_up_is_refused(up) -> None:
    home, api = up
    refused = home.call("up")
    assert refused.returncode == 1
    assert api.url in refused.stderr


def test_dags_test_of_a_day(make_home: Make) -> None:
    home = make_home()
    day = date(2026, 11, 10)
    home.run("airflow", "dags", "test", "enrollment", f"{day}")
    assert days(home) == {f"{day}"}
    assert home.json("answers", "--json")["day"] == f"{day}"
