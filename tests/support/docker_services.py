"""The services of a checkout, as a person starts and uses them."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from lumbung.core.errors import LumbungError
from lumbung.orchestrator.api import ENDED, Api
from support.docker_engine import ROOT, Engine, run

PROJECT = "lumbung-test"
SCHEDULER = "airflow-scheduler"
READY_SECONDS = 600
# No stand-in can be made of them here; their services are only read by Compose.
NOT_STARTED = ("elasticsearch", "kibana")
# Secrets that lie about in a checkout, where an image might take them up.
PLANTED = {
    ".env.production": "planted-e2b7",
    "dags/.env": "planted-61fd",
    "data-source/my-service-account.json": "planted-90ac",
}


API_KEY = "a-key-of-these-tests"


def free_port() -> int:
    """A port of this machine that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def base_images() -> set[str]:
    """The images that others publish, of services that are started."""
    built_on = re.findall(r"^FROM (\S+:\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    used = re.findall(r"^ +image: (\S+:\S+)", (ROOT / "docker-compose.yaml").read_text(), re.MULTILINE)
    return {image for image in {*built_on, *used} if image.split(":")[0] not in NOT_STARTED}


VIEWER = "rani"
"""A user of Airflow who may only look."""


class Stack:
    """The services of a checkout.

    Args:
        engine: where they run.
        checkout: a copy of the project with an `.env` of its own.
    """

    def __init__(self, engine: Engine, checkout: Path) -> None:
        port = free_port()
        self.engine, self.checkout = engine, checkout
        # Nothing of this machine's settings: the environment would go before `.env`.
        mine = ("LUMBUNG_", "AIRFLOW_", "GOOGLE_", "BIGQUERY_", "COMPOSE_", "POSTGRES_", "PINTER_")
        self.environ = {name: value for name, value in engine.environ.items() if not name.startswith(mine)}
        self.environ |= {"COMPOSE_PROJECT_NAME": PROJECT, "AIRFLOW_PORT": str(port)}
        self.environ |= {"LUMBUNG_AIRFLOW_USERS": f"{VIEWER}:viewer"}
        if "PIP_INDEX_URL" not in self.environ:
            index = run(sys.executable, "-m", "pip", "config", "get", "global.index-url", check=False).stdout.strip()
            self.environ |= {"PIP_INDEX_URL": index, "UV_DEFAULT_INDEX": index} if index else {}
        self.env()
        long = {name: value for name, value in self.values.items() if len(value) >= 24}
        self.secrets = {name: value for name, value in long.items() if not name.startswith("SERVICE_")}
        self.url = f"http://127.0.0.1:{port}"
        self.api = Api(self.url, "admin", self.values["AIRFLOW_ADMIN_PASSWORD"])

    def env(self, **environ: str) -> None:
        """Run `make env`."""
        self.make("env", **environ)
        lines = (self.checkout / ".env").read_text().splitlines()
        self.values = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))

    def make(self, target: str, **environ: str) -> str:
        """Run a target of the Makefile."""
        return run("make", target, cwd=self.checkout, env=self.environ | environ).stdout

    def compose(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run `docker compose`; options as `run`'s."""
        environ = self.environ | options.pop("env", {})
        return run("docker", "compose", *arguments, cwd=self.checkout, env=environ, **options)

    def config(self, *arguments: str, **environ: str) -> dict[str, Any]:
        """The compose file as Compose understands it."""
        return json.loads(self.compose(*arguments, "config", "--format", "json", env=environ).stdout)

    def lumbung(self, *arguments: str) -> str:
        """Run a command of Lumbung as the documents say."""
        return self.compose("exec", "-T", SCHEDULER, "lumbung", *arguments).stdout

    def answers(self) -> dict[str, Any]:
        """What is published."""
        return json.loads(self.lumbung("answers", "--json"))

    def up(self) -> None:
        """Start the services and wait until all are healthy and Airflow has the DAG."""
        done = self.compose("up", "--detach", "--wait", "--wait-timeout", str(READY_SECONDS), check=False)
        if done.returncode:
            logs = self.compose("logs", "--no-color", "--tail", "40").stdout
            raise AssertionError(f"{done.stderr[-3000:]}\n{logs}")
        self.wait_for(lambda: {"enrollment", "tweets"} <= set(self.api.dag_ids()), "the DAGs")

    def wait_for(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until something holds; a refused connection does not count as an answer."""
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                if condition():
                    return
            except LumbungError as error:
                last: object = error
            else:
                last = "it is not so yet"
            if time.monotonic() > deadline:
                raise AssertionError(f"waited in vain for {what} ({last}):\n{self.compose('ps', '--all').stdout}")
            time.sleep(0.5)

    def trigger(self, day: date, dag_id: str = "enrollment") -> str:
        """Start a run of a day over REST."""
        return self.api.trigger(dag_id, {"day": f"{day}"})

    def ended(self, run_id: str, dag_id: str = "enrollment") -> str:
        """The state a run ends in; of one that fails, the logs of the failed tasks are printed."""
        self.wait_for(lambda: self.api.dag_run(dag_id, run_id)["state"] in ENDED, f"the end of {run_id}")
        state = self.api.dag_run(dag_id, run_id)["state"]
        failed = [task for task in self.api.task_instances(dag_id, run_id) if task["state"] == "failed"]
        for task in failed if state == "failed" else ():
            logs = f"/var/lib/lumbung/logs/airflow/dag_id={dag_id}/run_id={run_id}/task_id={task['task_id']}"
            log = self.compose("exec", "-T", "airflow-scheduler", "sh", "-c", f"tail -qn 12 '{logs}'/*.log").stdout
            print(f"{task['task_id']}:\n{log}")  # noqa: T201 - what a person needs to see why
        return state

    def containers(self) -> dict[str, dict[str, Any]]:
        """What the engine knows of each service's container."""
        ids = self.compose("ps", "--all", "--quiet").stdout.split()
        containers = json.loads(self.engine.docker("inspect", *ids).stdout) if ids else []
        return {container["Config"]["Labels"]["com.docker.compose.service"]: container for container in containers}


def restarts(stack: Stack, service: str) -> int:
    """How often the engine has started a service's container again."""
    return stack.containers()[service]["RestartCount"]


def crash(stack: Stack, service: str) -> None:
    """Kill the service's program, as the kernel would; `docker kill` would count as a wish that it stay away."""
    before = restarts(stack, service)
    stack.compose("exec", "-T", service, "sh", "-c", "kill -9 $(cat /proc/1/task/1/children)", check=False)
    stack.wait_for(lambda: restarts(stack, service) > before, f"the restart of {service}")
