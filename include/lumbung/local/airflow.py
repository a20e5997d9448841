"""Airflow on a laptop: its settings, its database, its processes, and one run without any of them.

Airflow is never imported here: it is run as a subprocess, or spoken to over REST.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import importlib.metadata
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy
from dotenv import dotenv_values
from pydantic import SecretStr

from lumbung.core.errors import LumbungError
from lumbung.core.settings import EMULATOR_VARIABLE, LOCAL_PROJECT, NAMES, ROOT, Settings, variable
from lumbung.core.settings import environment as own_environment
from lumbung.local import processes
from lumbung.local.processes import Process
from lumbung.local.services import METADATA_VARIABLE, Services, running
from lumbung.orchestrator.api import Api

USER = "admin"
HOST = "127.0.0.1"
PORT = 8080
PORT_VARIABLE = "AIRFLOW__API__PORT"
DAGS_VARIABLE = "AIRFLOW__CORE__DAGS_FOLDER"
SHARED_SETTINGS = ROOT / "infra" / "airflow.env"
DAG_TEST = ROOT / "include" / "lumbung" / "orchestrator" / "dag_test.py"
COMPONENTS = {
    "api-server": ["api-server"],
    # Its log server would need a port of its own; the API server reads the same folder.
    "scheduler": ["scheduler", "--skip-serve-logs"],
    "dag-processor": ["dag-processor"],
}
READY_SECONDS = 120
TASK_SECONDS = 6.0
STOP_SECONDS = 2.0
INTERRUPT_SECONDS = 3.0


def environment(settings: Settings, services: Services, port: int = PORT) -> dict[str, str]:
    """The whole environment of Airflow's processes; they agree with this one on every setting.

    Args:
        settings: this process's settings.
        services: where the services are.
        port: where the API server listens.
    """
    home = settings.home / "airflow"
    keys = _secrets(home)
    address = f"http://{HOST}:{port}"
    # What a user may set otherwise.
    shared = {name: value for name, value in dotenv_values(SHARED_SETTINGS).items() if value}
    defaults = {DAGS_VARIABLE: str(ROOT / "dags"), **shared}
    fixed = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__AUTH_MANAGER": (
            "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"
        ),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
        "AIRFLOW__CORE__FERNET_KEY": keys["fernet_key"],
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{address}/execution/",
        "AIRFLOW__API__HOST": HOST,
        PORT_VARIABLE: str(port),
        "AIRFLOW__API__BASE_URL": address,
        "AIRFLOW__API__SECRET_KEY": keys["secret_key"],
        "AIRFLOW__API_AUTH__JWT_SECRET": keys["jwt_secret"],
        METADATA_VARIABLE: services.metadata_url,
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(settings.home / "logs" / "airflow"),
        "AIRFLOW__LOGGING__DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY": str(settings.home / "logs" / "airflow" / "dags"),
        "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG": "False",
        **{f"AIRFLOW_CONN_{name.upper()}": dsn for name, dsn in services.connections.items()},
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT / "include"), os.environ.get("PYTHONPATH")])),
    }
    for name in ("NO_PROXY", "no_proxy"):  # a proxy cannot reach this machine's own servers
        fixed[name] = ",".join(filter(None, [os.environ.get(name), HOST, "localhost"]))
    for name in NAMES:
        value = settings.value(name)
        # Empty counts as not set, also against a line of `.env`.
        plain = value.get_secret_value() if isinstance(value, SecretStr) else value
        fixed[variable(name)] = "" if plain is None else str(plain)
    env = {**defaults, **own_environment(), **fixed}
    if services.emulator_host:
        env[EMULATOR_VARIABLE] = services.emulator_host
        google: dict[str, Any] = {"is_anonymous": True, "project": LOCAL_PROJECT}
        env["AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT"] = _google(google)
    else:
        del env[EMULATOR_VARIABLE]  # the client would take an empty one for an address
        env.setdefault("AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT", _google({"project": settings.project_id}))
    return env


def _google(extra: Mapping[str, Any]) -> str:
    return json.dumps({"conn_type": "google_cloud_platform", "extra": extra})


def _secrets(home: Path) -> dict[str, Any]:
    """Airflow's keys and the password of its user, made once."""
    path = home / "secrets.json"
    with processes.locked(home / "secrets.lock", fcntl.LOCK_EX):
        if not path.exists():
            password = secrets.token_urlsafe(12)
            processes.write_json(home / "passwords.json", {USER: password})
            keys = {
                "fernet_key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
                "secret_key": secrets.token_hex(32),
                "jwt_secret": secrets.token_hex(64),
                "password": password,
            }
            processes.write_json(path, keys)
        return processes.read_json(path)


def migrate(env: Mapping[str, str], home: Path) -> None:
    """Bring Airflow's database to the installed version; costs nothing when it is there.

    Raises:
        LumbungError: the migration failed; the message holds the end of its log.
    """
    stamp, log = home / "airflow" / "migrated.json", home / "logs" / "migrate.log"
    version = importlib.metadata.version("apache-airflow")
    url = env[METADATA_VARIABLE]
    with processes.locked(home / "airflow" / "migrate.lock", fcntl.LOCK_EX):
        # Written only after a migration ended well; the revision tells another or emptied database.
        if processes.read_json(stamp) == {"version": version, "revision": _revision(url)}:
            return
        process = processes.start([program(), "db", "migrate"], env=env, log=log, dies_with_parent=True)
        leader = Process.of(process.pid)
        try:
            failed = process.wait()
        finally:
            processes.end_sessions([leader], grace=0)
        if failed:
            raise processes.error_with_log("Airflow's database cannot be migrated", log, "run the command again")
        processes.write_json(stamp, {"version": version, "revision": _revision(url)})


def ready(settings: Settings, services: Services, port: int = PORT) -> dict[str, str]:
    """The environment of Airflow's processes, its database being there and nothing of a killed command left.

    Args:
        settings: this process's settings.
        services: where the services are.
        port: where the API server listens.

    Raises:
        LumbungError: the database cannot be migrated.
    """
    env = environment(settings, services, port)
    migrate(env, settings.home)
    fail_abandoned(settings.home, services.metadata_url)
    complete_backfills(services.metadata_url)
    return env


def _revision(url: str) -> str | None:
    with _engine(url) as engine, engine.connect() as connection:
        if not sqlalchemy.inspect(connection).has_table("alembic_version"):
            return None
        revision: str | None = connection.scalar(sqlalchemy.text("SELECT version_num FROM alembic_version"))
        return revision


@contextlib.contextmanager
def _engine(url: str) -> Iterator[sqlalchemy.Engine]:
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    try:
        yield engine
    finally:
        engine.dispose()


def program() -> str:
    """Airflow's command line."""
    return str(Path(sys.executable).with_name("airflow"))


class Stack:
    """Airflow's API server, scheduler and DAG processor, as children of this process.

    Args:
        env: their environment, from `environment`.
        home: the folder of all local state.
    """

    def __init__(self, env: Mapping[str, str], home: Path) -> None:
        self.env, self.home = env, home
        self.notes = home / "airflow" / "stack.json"
        self.api = Api(f"http://{HOST}:{env[PORT_VARIABLE]}", USER, _secrets(home / "airflow")["password"])
        self._running: dict[str, subprocess.Popen[str]] = {}

    def start(self) -> None:
        """Start the components and wait until all of them work and every DAG file is read.

        Raises:
            LumbungError: a component ended, a DAG file cannot be read, or it took too long.
        """
        sweep(self.home)
        deadline = time.monotonic() + READY_SECONDS
        started = datetime.now(UTC)
        self._launch("api-server")
        self._launch("dag-processor")
        self._wait(self._answers, deadline)
        self._launch("scheduler")  # its tasks fail when the API server does not answer
        self._wait(lambda: self._is_ready(started), deadline)

    def check(self) -> None:
        """Raise LumbungError if a component ended by itself; the message holds the end of its log."""
        for name, process in self._running.items():
            if process.poll() is not None:
                raise processes.error_with_log(
                    f"Airflow's {name} ended with status {process.returncode}", self._log(name), "start it again"
                )

    def stop(self) -> None:
        """End the components and all that they started."""
        sweep(self.home)
        for process in self._running.values():
            process.wait()
        self._running.clear()

    def _log(self, name: str) -> Path:
        return self.home / "logs" / f"{name}.log"

    def _launch(self, name: str) -> None:
        command = [program(), *COMPONENTS[name]]
        process = processes.start(command, env=self.env, log=self._log(name), dies_with_parent=True)
        self._running[name] = process
        leader = Process.of(process.pid).to_dict()
        processes.write_json(self.notes, {**processes.read_json(self.notes), name: leader})

    def _wait(self, condition: Callable[[], bool], deadline: float) -> None:
        while not condition():
            self.check()
            if time.monotonic() > deadline:
                raise LumbungError(
                    f"Airflow is not ready after {READY_SECONDS} seconds",
                    where=str(self.home / "logs"),
                    remedy="read the logs there",
                )
            time.sleep(0.2)

    def _answers(self) -> bool:
        try:
            self.api.health()
        except LumbungError:  # it is not there yet; `start` bounds the wait
            return False
        return True

    def _is_ready(self, started: datetime) -> bool:
        try:
            health = self.api.health()
            beats = [health[name][f"latest_{name}_heartbeat"] for name in ("scheduler", "dag_processor")]
            # A heart that beat before the start is that of the last stack.
            if not all(beat and datetime.fromisoformat(beat) > started for beat in beats):
                return False
            wanted = {path.stem for path in Path(self.env[DAGS_VARIABLE]).glob("*.py")}
            if wanted <= self.api.dag_ids():
                return True
            faults = self.api.import_errors()
        except LumbungError:  # it does not answer yet; `start` bounds the wait
            return False
        if faults:
            file, trace = next(iter(faults.items()))
            raise LumbungError(f"the DAG file cannot be read\n{trace.strip()}", where=file, remedy="mend the file")
        return False


def sweep(home: Path) -> None:
    """End the components that the last stack of this home started, if any are left."""
    notes = home / "airflow" / "stack.json"
    leaders = {name: Process(**told) for name, told in processes.read_json(notes).items()}
    # The scheduler waits for its tasks, which need the API server to tell how they ended.
    if scheduler := leaders.pop("scheduler", None):
        processes.end_sessions([scheduler], grace=TASK_SECONDS)
    processes.end_sessions(leaders.values(), grace=STOP_SECONDS)
    notes.unlink(missing_ok=True)


@contextlib.contextmanager
def started(settings: Settings, services: Services) -> Iterator[Stack]:
    """Airflow's components, working; all of them are ended at the end.

    Raises:
        LumbungError: the port is taken, or a component does not start.
    """
    stack = Stack(ready(settings, services, _port()), settings.home)
    try:
        stack.start()
        yield stack
    finally:
        # A second Ctrl-C would leave processes behind; the end is near anyhow.
        before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
        stack.stop()
        for number, handler in before.items():
            signal.signal(number, handler)


def up(settings: Settings, say: Callable[[str], None] = print) -> None:
    """Run Airflow in the foreground until SIGINT or SIGTERM.

    Args:
        settings: this process's settings.
        say: is given each line for the user.

    Raises:
        LumbungError: it runs already, its port is taken, a service does not start, or a component ended by itself.
    """
    if settings.airflow_url:
        raise LumbungError("Airflow runs elsewhere", where=variable("airflow_url"), remedy="use that one, or unset it")
    notes = settings.home / "up.json"
    for number in (signal.SIGINT, signal.SIGTERM):  # SIGINT too: a shell's background jobs ignore it
        signal.signal(number, signal.default_int_handler)
    try:
        with _alone(settings.home), running(settings) as services, started(settings, services) as stack:
            password = _secrets(settings.home / "airflow")["password"]
            here = Process.of(os.getpid()).to_dict()
            processes.write_json(notes, {"url": stack.api.url, "user": USER, "password": password, **here})
            try:
                say(f"Airflow: {stack.api.url}  user: {USER}  password: {password}")
                say("Ctrl-C stops it.")
                while True:
                    time.sleep(1)
                    stack.check()
            finally:
                notes.unlink(missing_ok=True)
    except KeyboardInterrupt:
        say("Stopped.")
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _port() -> int:
    wanted = own_environment().get(PORT_VARIABLE)
    if wanted is None:
        return processes.free_port(PORT)
    if not wanted.isdigit() or not processes.is_free(int(wanted)):
        raise LumbungError(f"port {wanted} is taken or no port", where=PORT_VARIABLE, remedy="set another one")
    return int(wanted)


@contextlib.contextmanager
def _alone(home: Path) -> Iterator[None]:
    for attempt in range(10):
        with contextlib.ExitStack() as held:
            try:
                held.enter_context(processes.locked(home / "up.lock", fcntl.LOCK_EX | fcntl.LOCK_NB))
            except BlockingIOError:
                if attempt < 9:  # `connect` holds it for a moment
                    time.sleep(0.1)
                    continue
                address = processes.read_json(home / "up.json").get("url", "its address comes when it has started")
                raise LumbungError(
                    f"Airflow is up already: {address}", where=str(home), remedy="use it, or stop it with Ctrl-C"
                ) from None
            yield
            return


def connect(settings: Settings) -> Api | None:
    """The API of the Airflow at `airflow_url`, or of the `up` on this home; None when none runs or has started yet."""
    if settings.airflow_url:
        return Api.at(settings.airflow_url.get_secret_value())
    notes = settings.home / "up.json"
    try:
        with processes.locked(settings.home / "up.lock", fcntl.LOCK_SH | fcntl.LOCK_NB):
            notes.unlink(missing_ok=True)
            sweep(settings.home)  # what a killed one left
            return None
    except BlockingIOError:
        told = processes.read_json(notes)
        return Api(told["url"], told["user"], told["password"]) if told else None


@dataclass(frozen=True)
class Task:
    """A task instance of a test run; times are ISO 8601 in UTC."""

    task_id: str
    map_index: int
    state: str
    start: str | None
    end: str | None


class TestRun(NamedTuple):
    """What came of a test run.

    Attributes:
        exit_code: 0 when the run succeeded.
        run_id: Airflow's id of the run.
        tasks: the last state of each task instance, in the order in which they ended.
        errors: why tasks failed, each as `task_id: message`.
    """

    exit_code: int
    run_id: str
    tasks: list[Task]
    errors: list[str]


def test_run(
    settings: Settings,
    services: Services,
    dag_id: str,
    conf: Mapping[str, Any],
    log_path: Path,
    on_task: Callable[[Task], None] = lambda _task: None,
) -> TestRun:
    """Run a DAG once, without a scheduler, by Airflow's `dag.test()` in a process of its own.

    Args:
        settings: this process's settings.
        services: where the services are.
        dag_id: the DAG; only its file is read, though Airflow registers its neighbours too.
        conf: the run's conf.
        log_path: takes all that Airflow and the tasks log.
        on_task: is told of each task instance that starts or ends.

    Raises:
        LumbungError: the run did not come to its end; one that failed is a result.
    """
    env = ready(settings, services)
    now = datetime.now(UTC)
    run_id = f"manual__{now.isoformat()}"
    tasks: dict[tuple[str, int], Task] = {}
    errors: list[str] = []
    state = None
    path = settings.home / "airflow" / "runs" / f"{now:%Y%m%dT%H%M%S.%f}-{os.getpid()}.json"
    with processes.terminable(), processes.locked(path, fcntl.LOCK_EX) as lock:
        command = [sys.executable, "-P", str(DAG_TEST), dag_id, now.isoformat(), json.dumps(conf)]
        process = processes.start(
            command, env=env, log=log_path, stdout=subprocess.PIPE, keep=[lock.fileno()], dies_with_parent=True
        )
        leader = Process.of(process.pid)
        lock.write(json.dumps({"dag_id": dag_id, "run_id": run_id, **leader.to_dict()}))
        lock.flush()
        try:
            for line in process.stdout or ():
                event = json.loads(line)
                match event.pop("event"):
                    case "task":
                        task = Task(**event)
                        tasks.pop(key := (task.task_id, task.map_index), None)
                        tasks[key] = task
                        on_task(task)
                    case "error":
                        errors.append(
                            f"{event['task_id']}: {event['message']}" if event["task_id"] else event["message"]
                        )
                    case "run":
                        state = event["state"]
                        process.wait()
                        break
        finally:
            processes.end_sessions([leader], grace=INTERRUPT_SECONDS)
            process.wait()
            if state is None:
                _fail(services.metadata_url, dag_id, run_id)
            path.unlink(missing_ok=True)
    if state is None:
        if errors:
            raise LumbungError(f"the run of {dag_id} did not come to its end: {errors[-1]}", where=str(log_path))
        raise processes.error_with_log(
            f"the run of {dag_id} ended with status {process.returncode}", log_path, "run it again"
        )
    return TestRun(0 if state == "success" else 1, run_id, list(tasks.values()), errors)


def fail_abandoned(home: Path, metadata_url: str) -> None:
    """Mark as failed the test runs whose process was killed: a scheduler would take them for its own and go on."""
    for path in (home / "airflow" / "runs").glob("*.json"):
        with contextlib.suppress(BlockingIOError), processes.locked(path, fcntl.LOCK_EX | fcntl.LOCK_NB):
            if path.stat().st_size:  # else it was killed before it started anything
                told = processes.read_json(path)
                processes.end_sessions([Process(told["pid"], told["created"])], grace=0)
                _fail(metadata_url, told["dag_id"], told["run_id"])
            path.unlink()


def complete_backfills(metadata_url: str) -> None:
    """Mark as complete the backfills whose runs have all ended, as a scheduler does every half minute while it lives.

    `lumbung backfill` ends its Airflow before that, and the next one would wait for it.
    """
    statement = """
        UPDATE backfill SET completed_at = :now
        WHERE
            completed_at IS NULL
            AND EXISTS (SELECT 1 FROM backfill_dag_run AS planned WHERE planned.backfill_id = backfill.id)
            AND NOT EXISTS (
                SELECT 1 FROM dag_run AS run WHERE run.backfill_id = backfill.id AND run.state IN ('queued', 'running')
            )
    """
    with _engine(metadata_url) as engine, engine.begin() as connection:
        connection.execute(sqlalchemy.text(statement), {"now": datetime.now(UTC)})


def _fail(metadata_url: str, dag_id: str, run_id: str) -> None:
    runs, instances = (
        sqlalchemy.table(name, *map(sqlalchemy.column, ("dag_id", "run_id", "state", "end_date")))
        for name in ("dag_run", "task_instance")
    )
    unfinished = ("running", "queued", "scheduled", "up_for_retry", "up_for_reschedule", "deferred")
    now = {"state": "failed", "end_date": datetime.now(UTC)}
    with _engine(metadata_url) as engine, engine.begin() as connection:
        where = (runs.c.dag_id == dag_id, runs.c.run_id == run_id, runs.c.state == "running")
        if connection.execute(runs.update().where(*where).values(now)).rowcount:
            where = (instances.c.dag_id == dag_id, instances.c.run_id == run_id, instances.c.state.in_(unfinished))
            connection.execute(instances.update().where(*where).values(now))
