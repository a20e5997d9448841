"""Airflow: whether it is up, and the port it would listen on."""

from __future__ import annotations

from collections.abc import Iterator

from lumbung.core.settings import Settings, environment
from lumbung.local import place, processes
from lumbung.local.airflow_environment import PORT, PORT_VARIABLE
from lumbung.orchestrator.up import connect
from lumbung.serving.schema import Finding


def check(settings: Settings) -> Iterator[Finding]:
    """Whether Airflow answers or is up; where it is not up, whether its port is free."""
    if settings.airflow_url and (api := connect(settings)):
        api.health()
        yield Finding("Airflow", True, f"{api.url} answers")
        return
    if settings.home.exists():
        place.settle(settings.home)
    pid_file = processes.read_json(settings.home / "up.json")
    leader = processes.Process.from_dict(pid_file)
    if leader and leader.is_alive:
        yield Finding("Airflow", True, f"it is up at {pid_file['url']}")
        return
    yield Finding("Airflow", True, "it is not up")
    wanted = environment().get(PORT_VARIABLE)
    if wanted is None:
        found = "free" if processes.is_free(PORT) else "taken, so Airflow will choose another one"
        yield Finding("port", True, f"{PORT} is {found}")
        return
    free = wanted.isdigit() and 0 < int(wanted) < 1 << 16 and processes.is_free(int(wanted))
    found = f"{wanted} of {PORT_VARIABLE} is {'free' if free else 'taken or not a port'}"
    yield Finding("port", free, found, f"stop what listens there, or set {PORT_VARIABLE} to another one")
