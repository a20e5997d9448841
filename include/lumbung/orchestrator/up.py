"""A whole Airflow: started for one command or for `lumbung up`, and found by the commands beside it."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from lumbung.core.errors import LumbungError
from lumbung.core.settings import Settings, environment, variable
from lumbung.local import airflow_passwords, processes, services
from lumbung.local.airflow_database import fail_unfinished, prepare
from lumbung.local.airflow_environment import DAGS_VARIABLE, PORT, PORT_VARIABLE
from lumbung.local.airflow_stack import Address, Stack, address_of_up, announced, end_leftovers, exclusive
from lumbung.local.services import Services
from lumbung.orchestrator.api import Api

NO_SCHEDULE = {"AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "False"}
"""Lets a scheduler make no runs of its own: it only carries out those that were asked for."""
READY_SECONDS = 120
POLL_SECONDS = 0.2


def connect(settings: Settings) -> Api | None:
    """The API of the Airflow at `airflow_url`, or of the `lumbung up` on this home.

    Returns:
        None when none runs.

    Raises:
        LumbungError: another command's Airflow runs on this home, or its `up` has not started yet.
    """
    if settings.airflow_url:
        return Api.at(settings.airflow_url.get_secret_value())
    address = address_of_up(settings.home)
    return _api(address) if address else None


def up(settings: Settings, say: Callable[[str], None] = print) -> None:
    """Run Airflow in the foreground until SIGINT or SIGTERM.

    Args:
        settings: this process's settings.
        say: is given each line for the user.

    Raises:
        LumbungError: it runs already, its port is taken, a service does not start, or a component ended unexpectedly.
    """
    if settings.airflow_url:
        raise LumbungError("Airflow runs elsewhere", where=variable("airflow_url"), remedy="use that one, or unset it")
    # SIGTERM ends it as Ctrl-C does. SIGINT is set too, since a shell's background jobs start with it ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        say("Starting the local services and Airflow; this takes some 20 seconds.")
        with (
            exclusive(settings.home),
            services.running(settings) as addresses,
            _running(settings, prepare(settings, addresses, _port())) as stack,
        ):
            stack.launch("triggerer")  # nothing waits for it
            with announced(settings.home, stack.address):
                _say_users(settings, stack.address, say)
                say("Ctrl-C stops it.")
                while True:
                    time.sleep(1)
                    stack.check()
    except KeyboardInterrupt:
        say("Stopped.")
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _say_users(settings: Settings, address: Address, say: Callable[[str], None]) -> None:
    say(f"Airflow: {address.url}  user: {address.user}  password: {address.password}")
    passwords = airflow_passwords.passwords(settings.home)
    for user, role in settings.airflow_roles.items():
        if user != address.user:
            say(f"Also user: {user} ({role})  password: {passwords[user]}")


@contextlib.contextmanager
def started(settings: Settings, addresses: Services, say: Callable[[str], None] = print) -> Iterator[Api]:
    """An Airflow for the time of one command, which runs what that command asks for and nothing else.

    It makes no scheduled runs. Runs that an earlier Airflow left unfinished are failed, as it would continue them;
    so is what is unfinished at its end.

    Args:
        settings: this process's settings.
        addresses: where the services are.
        say: is given a line for the user when there were such runs.

    Yields:
        Its API.

    Raises:
        LumbungError: another command runs DAGs on this home, the port is taken, or a component does not start.
    """
    with exclusive(settings.home):
        env = prepare(settings, addresses, _port()) | NO_SCHEDULE
        end_leftovers(settings.home)
        if runs := fail_unfinished(addresses.metadata_url):
            names = ", ".join(f"{dag_id} {run_id}" for dag_id, run_id in runs)
            say(f"An earlier Airflow left runs unfinished; they count as failed now: {names}")
        try:
            with _running(settings, env) as stack:
                yield _api(stack.address)
        finally:
            fail_unfinished(addresses.metadata_url)


@contextlib.contextmanager
def _running(settings: Settings, env: Mapping[str, str]) -> Iterator[Stack]:
    stack = Stack(env, settings.home)
    try:
        start(stack)
        yield stack
    finally:
        # A second Ctrl-C would break off the stop and leave processes behind; the stop takes seconds only.
        handlers = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
        stack.stop()
        for number, handler in handlers.items():
            signal.signal(number, handler)


def start(stack: Stack) -> None:
    """Start the components and wait until all of them work and every DAG file is read.

    Raises:
        LumbungError: a component ended, a DAG file cannot be read, or it took too long.
    """
    api = _api(stack.address)
    end_leftovers(stack.home)
    deadline = time.monotonic() + READY_SECONDS
    start_time = datetime.now(UTC)
    stack.launch("api-server")
    stack.launch("dag-processor")
    _wait(stack, lambda: _answers(api), deadline)
    stack.launch("scheduler")  # not before: its tasks fail when the API server does not answer
    _wait(stack, lambda: _is_ready(api, Path(stack.env[DAGS_VARIABLE]), start_time), deadline)


def _wait(stack: Stack, condition: Callable[[], bool], deadline: float) -> None:
    while not condition():
        stack.check()
        if time.monotonic() > deadline:
            raise LumbungError(
                f"Airflow is not ready after {READY_SECONDS} seconds",
                where=str(stack.home / "logs"),
                remedy="read the logs there",
            )
        time.sleep(POLL_SECONDS)


def _answers(api: Api) -> bool:
    try:
        api.health()
    except LumbungError:  # it does not answer yet; `_wait` bounds the time
        return False
    return True


def _is_ready(api: Api, dags: Path, start_time: datetime) -> bool:
    try:
        health = api.health()
        heartbeats = [health[name][f"latest_{name}_heartbeat"] for name in ("scheduler", "dag_processor")]
        # The database still holds the heartbeats of the stack before this one.
        if not all(heartbeat and datetime.fromisoformat(heartbeat) > start_time for heartbeat in heartbeats):
            return False
        if {path.stem for path in dags.glob("*.py")} <= api.dag_ids():
            return True
        import_errors = api.import_errors()
    except LumbungError:  # it does not answer yet; `_wait` bounds the time
        return False
    if import_errors:
        file, trace = next(iter(import_errors.items()))
        raise LumbungError(f"the DAG file cannot be read\n{trace.strip()}", where=file, remedy="fix the file")
    return False


def _api(address: Address) -> Api:
    return Api(address.url, address.user, address.password)


def _port() -> int:
    wanted = environment().get(PORT_VARIABLE)
    if wanted is None:
        return processes.free_port(PORT)
    if not wanted.isdigit() or not processes.is_free(int(wanted)):
        raise LumbungError(
            f"port {wanted} is taken or not a port number", where=PORT_VARIABLE, remedy="set another one"
        )
    return int(wanted)
