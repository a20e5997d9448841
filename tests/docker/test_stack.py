"""The services at work, from the first start to the last trace. The tests build on each other, in this order."""

import json
import os
import tempfile
from datetime import timedelta
from pathlib import Path

import pytest
import requests
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from lumbung.core.errors import LumbungError
from lumbung.orchestrator.api import Api
from support.docker_engine import say
from support.docker_services import SCHEDULER, VIEWER, crash

SERVICES = ("postgres", "bigquery", "airflow-apiserver", SCHEDULER, "airflow-dag-processor", "airflow-triggerer")


@pytest.fixture(scope="module", autouse=True)
def up(stack, images):
    stack.up()


def healthy(stack):
    states = {name: container["State"] for name, container in stack.containers().items()}
    return all(states[name].get("Health", {}).get("Status") == "healthy" for name in SERVICES)


def rows(stack):
    psql = ["exec", "-T", "postgres", "psql", "-U", "postgres", "-d", "pinter_skuy", "-Atc"]
    return int(stack.compose(*psql, "SELECT count(*) FROM course_enrollment").stdout)


def test_all_services_are_healthy_and_the_first_one_is_done(stack):
    assert healthy(stack)
    assert stack.containers()["airflow-init"]["State"]["ExitCode"] == 0


def test_no_process_is_root(stack):
    for name, container in stack.containers().items():
        if name != "airflow-init":
            table = stack.engine.docker("top", container["Id"], "-eo", "pid,uid,args").stdout.splitlines()[1:]
            assert table, name
            assert not [line for line in table if line.split()[1] == "0"], name
    ours = stack.containers()[SCHEDULER]["Config"]["User"]
    assert ours == f"{os.getuid() or 50000}:0"


def test_no_default_password_works(stack):
    for password in ("", "admin", "airflow", "password"):
        with pytest.raises(LumbungError):
            Api(stack.url, "admin", password).dag_ids()
    assert requests.get(f"{stack.url}/api/v2/dags", timeout=30).status_code == 401


def test_the_page_lets_a_person_in(stack, browser):
    browser.get(stack.url)
    wait = WebDriverWait(browser, 60)
    wait.until(lambda page: page.find_elements(By.NAME, "username"))
    browser.find_element(By.NAME, "username").send_keys("admin")
    browser.find_element(By.NAME, "password").send_keys(stack.values["AIRFLOW_ADMIN_PASSWORD"])
    browser.find_element(By.CSS_SELECTOR, "button[type=submit]").click()
    wait.until(lambda page: "/login" not in page.current_url)
    browser.get(f"{stack.url}/dags")
    wait.until(lambda page: "enrollment" in page.find_element(By.TAG_NAME, "body").text)
    picture = Path(tempfile.gettempdir()) / "lumbung-airflow.png"
    browser.save_screenshot(str(picture))
    browser.get("about:blank")  # Airflow's page asks for news all the time
    say(f"what the page shows: {picture}")


def test_a_run_over_rest_gives_the_answers_of_make_run(stack, day, laptop):
    assert stack.ended(stack.trigger(day)) == "success"
    assert stack.answers() == laptop
    assert laptop["day"] == f"{day}"


def test_the_pages_show_what_is_published_and_a_viewer_only_looks(stack, day):
    kept = stack.compose("exec", "-T", "airflow-apiserver", "cat", "/var/lib/lumbung/airflow/passwords.json").stdout
    passwords = json.loads(kept)
    assert passwords["admin"] == stack.values["AIRFLOW_ADMIN_PASSWORD"]
    login = {"username": VIEWER, "password": passwords[VIEWER]}
    token = requests.post(f"{stack.url}/auth/token", json=login, timeout=30).json()["access_token"]
    viewer = {"Authorization": f"Bearer {token}"}

    def page(path):
        return requests.get(f"{stack.url}{path}", headers=viewer, timeout=30)

    stack.wait_for(lambda: page("/lumbung/api/report").status_code == 200, "the report")
    assert page("/lumbung/api/report").json()["day"] == f"{day}"
    assert "<svg" in page("/lumbung/report").text
    run_id = stack.api.dag_runs("enrollment", state="success")[0]["dag_run_id"]
    stack.wait_for(lambda: page(f"/lumbung/run/enrollment/{run_id}").status_code == 200, "the page of the run")
    assert requests.get(f"{stack.url}/lumbung/api/report", timeout=30).status_code == 401
    body = {"logical_date": None}
    trigger = requests.post(f"{stack.url}/api/v2/dags/enrollment/dagRuns", json=body, headers=viewer, timeout=30)
    assert trigger.status_code == 403


def test_the_report_can_be_taken_out(stack, tmp_path):
    path = stack.lumbung("report").split("Report: ")[1].strip()
    stack.compose("cp", f"{SCHEDULER}:{path}", str(tmp_path / "report.html"))
    assert "<svg" in (tmp_path / "report.html").read_text()


def test_the_doctor_finds_nothing_wrong(stack):
    findings = {finding["name"]: finding for finding in json.loads(stack.lumbung("doctor", "--json"))}
    assert all(finding["ok"] for finding in findings.values())
    assert findings["Airflow"]["found"] == "http://airflow-apiserver:8080 answers"


@pytest.mark.parametrize("command", [["up"], ["airflow", "dags", "list"], ["clean"]])
def test_commands_that_would_start_a_second_airflow_or_delete_data_are_refused(stack, command):
    done = stack.compose("exec", "-T", SCHEDULER, "lumbung", *command, check=False)
    assert done.returncode == 1
    assert "elsewhere" in done.stderr or "a command uses it" in done.stderr


def test_a_backfill_of_three_days(stack, day, laptop):
    first, last = day - timedelta(days=3), day - timedelta(days=1)
    shown = stack.lumbung("backfill", f"{first}", f"{last}", "--parallel", "3")
    assert shown.count("success") == 3
    query = "SELECT DISTINCT snapshot_date FROM datamart.course_enrollment_daily ORDER BY snapshot_date"
    days = [row["snapshot_date"] for row in json.loads(stack.lumbung("query", query, "--json"))]
    assert days == [f"{day - timedelta(days=back)}" for back in (3, 2, 1, 0)]
    assert stack.answers() == laptop


def test_neither_role_sees_the_others_database(stack):
    names = {"airflow": "AIRFLOW_DB_PASSWORD", "pinter_skuy": "PINTER_SKUY_PASSWORD"}
    for role, other in (("airflow", "pinter_skuy"), ("pinter_skuy", "airflow")):
        for database, works in ((role, True), (other, False)):
            address = f"postgresql://{role}:{stack.values[names[role]]}@127.0.0.1/{database}"
            done = stack.compose("exec", "-T", "postgres", "psql", address, "-c", "SELECT 1", check=False)
            assert (done.returncode == 0) is works, (role, database, done.stderr)
    address = f"postgresql://pinter_skuy:{stack.values['PINTER_SKUY_PASSWORD']}@127.0.0.1/pinter_skuy"
    done = stack.compose("exec", "-T", "postgres", "psql", address, "-c", "DELETE FROM course_enrollment", check=False)
    assert "permission denied" in done.stderr


def test_reseed_takes_the_file_again_or_nothing_of_it(stack):
    seed = stack.checkout / "data-source" / "course_enrollment.csv"
    original, before = seed.read_text(), rows(stack)
    seed.write_text(original.rstrip("\n") + "\nS-1,C-1\n")
    assert "151 rows" in stack.make("reseed")
    assert rows(stack) == before + 1
    seed.write_text("course_id,student_id\nC-1,S-1\n")
    with pytest.raises(AssertionError, match="column name mismatch in header"):
        stack.make("reseed")
    assert rows(stack) == before + 1, "what was there stays"
    seed.write_text(original)
    stack.make("reseed")
    assert rows(stack) == before


def test_a_run_survives_the_death_of_its_scheduler(stack, day):
    run_id = stack.trigger(day)
    stack.wait_for(
        lambda: any(task["state"] == "running" for task in stack.api.task_instances("enrollment", run_id)), "a task"
    )
    crash(stack, SCHEDULER)
    assert stack.ended(run_id) == "success"


@pytest.mark.parametrize("service", [name for name in SERVICES if name != SCHEDULER])
def test_a_killed_service_comes_back(stack, service):
    crash(stack, service)
    stack.wait_for(lambda: healthy(stack), "all services to be healthy again")


def test_after_all_this_the_stack_works(stack, day, laptop):
    stack.wait_for(lambda: healthy(stack), "all services to be healthy again")
    assert stack.ended(stack.trigger(day)) == "success"
    assert stack.answers() == laptop


def test_down_and_up_keep_the_data(stack, laptop):
    runs = len(stack.api.dag_runs("enrollment"))
    stack.compose("down")
    assert not stack.containers()
    stack.up()
    assert stack.answers() == laptop
    assert len(stack.api.dag_runs("enrollment")) >= runs
    assert rows(stack) == 150


def test_down_with_volumes_leaves_nothing(stack):
    stack.compose("down", "--volumes")
    ours = f"label=com.docker.compose.project={stack.environ['COMPOSE_PROJECT_NAME']}"
    for kind in (["ps", "--all"], ["volume", "ls"], ["network", "ls"]):
        assert stack.engine.docker(*kind, "--quiet", "--filter", ours).stdout == "", kind
