"""Lumbung's pages in a real Airflow, with a warehouse of its own in which the DAG `enrollment` has published a day."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import psutil
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from lumbung.core.settings import Settings, variable
from support.airflow_stack import ROOT, AirflowStack
from support.pipeline import PipelineHarness, sources

# A user without a role has no permission at all.
USERS = {"admin": "admin", "viewer": "viewer", "nobody": ""}
DAY = date(2026, 11, 20)
SECONDS = 300  # a bound for what hangs: nothing is as slow on a busy machine
STALE = "This is the last good answer"
# A row of each is rejected, and holds personal data.
TAKEN = sources()
SOURCES = {
    **TAKEN,
    "mentor": [*TAKEN["mentor"], TAKEN["mentor"][0]],
    "course_enrollment": [*TAKEN["course_enrollment"], {"student_id": "s0", "course_id": "c1"}],
}


def environ(settings: Settings) -> dict[str, str]:
    """The environment of an Airflow that has these settings; it makes no scheduled runs."""
    return {
        "PYTHONPATH": str(ROOT / "include"),
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__DEFAULT_TIMEZONE": "Asia/Jakarta",
        "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "False",
        "AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT": '{"conn_type": "google_cloud_platform", "extra": {"is_anonymous": true}}',
        "AIRFLOW_CONN_PINTER_SKUY": settings.source_dsn.get_secret_value(),
        **{
            variable(name): str(getattr(settings, name))
            for name in ("home", "data_source", "lake_uri", "dataset_prefix", "emulator_host")
        },
    }


@dataclass
class Pages:
    """An Airflow with the pages.

    Attributes:
        stack: the Airflow.
        harness: sources, lake and warehouse of its DAGs; they can be changed and read here, too.
        server: the BigQuery server.
        run_id: the run that published `DAY` first.
    """

    stack: AirflowStack
    harness: PipelineHarness
    server: subprocess.Popen[bytes]
    run_id: str = ""

    def get(self, path: str, user: str | None = "viewer", **options: Any) -> httpx.Response:
        """What the API server answers; `user` None: somebody who is not logged in."""
        headers = {"Authorization": f"Bearer {self.stack.token(user)}"} if user else {}
        headers |= options.pop("headers", {})
        method = options.pop("method", "GET")
        return httpx.request(method, f"{self.stack.url}{path}", headers=headers, timeout=60, **options)

    def answer(self, path: str, user: str = "viewer", status: int = 200) -> httpx.Response:
        """A page or data, once the newest is there: a busy machine may need more than the time that a reader waits.

        Args:
            path: its address.
            user: who asks.
            status: what the answer is, other than "not yet".
        """
        deadline = time.monotonic() + SECONDS
        while True:
            answer = self.get(path, user)
            is_late = STALE in answer.text or "x-lumbung-problem" in answer.headers
            if answer.status_code != 503 and not is_late:
                assert answer.status_code == status, answer.text
                return answer
            assert time.monotonic() < deadline, answer.text

    def page(self, path: str, user: str = "viewer") -> str:
        """The text of `answer`."""
        return self.answer(path, user).text

    def trigger(self, day: date, dag_id: str = "enrollment", **conf: Any) -> str:
        """Start a run for a day, by its DAG; its id."""
        body = {"logical_date": None, "conf": {"day": f"{day}", **conf}}
        return self.stack.api("POST", f"/dags/{dag_id}/dagRuns", json=body).raise_for_status().json()["dag_run_id"]

    def ended(self, run_id: str, dag_id: str = "enrollment") -> str:
        """The state of a run, when it has ended."""
        deadline = time.monotonic() + SECONDS
        path = f"/dags/{dag_id}/dagRuns/{run_id}"
        while (state := self.stack.api("GET", path).json()["state"]) not in ("success", "failed"):
            assert time.monotonic() < deadline, state
            time.sleep(0.3)
        return state

    @contextmanager
    def sources(self, **tables: list[dict[str, str | None]]) -> Iterator[None]:
        """Other rows of some sources, for a time."""
        self.harness.fill(tables)
        try:
            yield
        finally:
            self.harness.fill({name: SOURCES[name] for name in tables})

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """A warehouse that takes connections and does not answer."""
        processes = [psutil.Process(self.server.pid), *psutil.Process(self.server.pid).children(recursive=True)]
        for process in processes:
            process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for process in processes:
                process.send_signal(signal.SIGCONT)

    @contextmanager
    def frozen_lake(self) -> Iterator[None]:
        """A lake whose rejects of the published day do not come: who reads them waits."""
        file = Path.from_uri(self.harness.settings.lake_uri) / "audit" / f"dt={DAY}" / "frozen" / "rejected_row.json"
        file.parent.mkdir()
        os.mkfifo(file)
        try:
            yield
        finally:
            waking = os.open(file, os.O_RDWR)
            file.unlink()
            file.parent.rmdir()
            os.close(waking)

    def log_in(self, browser: Chrome, path: str = "/", user: str = "viewer") -> None:
        """Open a page in a browser that knows nobody, and log in; the browser is where it wanted to go."""
        browser.delete_all_cookies()
        browser.get(f"{self.stack.url}{path}")
        wait = WebDriverWait(browser, 60)
        wait.until(lambda page: page.find_elements(By.NAME, "username"))
        browser.find_element(By.NAME, "username").send_keys(user)
        browser.find_element(By.NAME, "password").send_keys(self.stack.password)
        browser.find_element(By.CSS_SELECTOR, "button[type=submit]").click()
        wait.until(lambda page: "/login" not in page.current_url)
