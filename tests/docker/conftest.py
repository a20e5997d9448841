"""A Docker engine, and the services of a clean checkout in it."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from lumbung.core import day as business_day
from support import docker_engine as engines
from support.docker_engine import ROOT, Engine, run
from support.docker_services import API_KEY, PLANTED, Stack, base_images, free_port


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of `streaming` last: others bring the services down, and its services start once."""
    items.sort(key=lambda item: "streaming" in getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def engine(missing: Callable[[str], Any]) -> Iterator[Engine]:
    """A Docker engine with the base images."""
    with engines.running() as engine:
        if engine is None:
            missing("a Docker engine with Compose")
        for image in sorted(base_images()):
            engine.have(image)
        yield engine
        if engine.own:  # layers of older checkouts
            engine.docker("image", "prune", "--force", "--filter", "until=168h")
            engine.docker("builder", "prune", "--force", "--keep-storage", "8GB")


@pytest.fixture(scope="session")
def stack(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The services, not started; what an earlier run or this one leaves of them is removed."""
    checkout = tmp_path_factory.mktemp("checkout")
    files = run("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=ROOT).stdout.splitlines()
    for name in files:
        if (ROOT / name).is_file():
            (checkout / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, checkout / name)
    for name, text in PLANTED.items():
        (checkout / name).write_text(text)
    stack = Stack(engine, checkout)
    stack.compose("down", "--volumes", "--remove-orphans")
    yield stack
    stack.compose("down", "--volumes", "--remove-orphans")


@pytest.fixture(scope="session")
def images(stack: Stack) -> dict[str, str]:
    """The images by target, built as `docker compose up` builds them."""
    # A profile on the command line takes the place of those in .env.
    stack.compose("--profile", "local", "--profile", "spark", "build", "--quiet")
    return {target: f"lumbung-{target}" for target in ("airflow", "bigquery", "spark")}


@pytest.fixture(scope="session")
def streaming(stack: Stack, images: dict[str, str]) -> Iterator[str]:
    """All services that stream, train and serve, up; the address of the API of models."""
    port = free_port()
    stack.environ |= {"MODELS_PORT": str(port), "LUMBUNG_API_KEYS": API_KEY}
    stack.env(PROFILES="stream,models,contracts,registry,spark")
    stack.up()
    yield f"http://127.0.0.1:{port}"
    stack.compose("down", "--volumes")


@pytest.fixture(scope="session")
def day() -> date:
    """The day that all runs of the session are for, should midnight pass."""
    return business_day.today()


@pytest.fixture(scope="session")
def laptop(day: date) -> dict[str, Any]:
    """The answers that `make run` gives without Docker."""
    # Not under pytest's folder: root's PostgreSQL runs as another user, and every pytest closes that folder to others.
    with tempfile.TemporaryDirectory(prefix="lumbung-laptop-") as home:
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("LUMBUNG_", "BIGQUERY_"))}
        environ |= {"LUMBUNG_HOME": home}
        lumbung = Path(sys.executable).with_name("lumbung")
        run(lumbung, "run", "--day", f"{day}", env=environ)
        return json.loads(run(lumbung, "answers", "--json", env=environ).stdout)
