"""A spool, collectors that are killed, and a stand-in for X."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lumbung.core.settings import Settings, variable
from lumbung.stream import envelope, x
from lumbung.stream.collect import Summary, collect
from support import x_server
from support.x_server import X

# A collector for each line of input, in a process of its own that kills itself right before its n-th step: a call that
# others can see. Forking from here spares each the imports.
COLLECTORS = """
import itertools, json, os, signal, sys, traceback
from datetime import date
from pathlib import Path
import requests
from lumbung.core import settings
from lumbung.stream import archive, collect, synthetic, x

def deadly(call):
    def called(*args, **kwargs):
        if next(calls) == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*args, **kwargs)
    return called

os.fsync, os.replace = deadly(os.fsync), deadly(os.replace)
requests.Session.send = deadly(requests.Session.send)
for line in sys.stdin:
    environ, source, step, path, collect.MAX_LINES = json.loads(line)
    calls = itertools.count(1)
    if not (child := os.fork()):
        try:
            loaded = settings.load(environ)
            collect.collect(loaded, collect.open_source(loaded, source, day=date(2026, 11, 24), path=Path(path)))
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture
def make_settings(tmp_path: Path) -> Callable[..., Settings]:
    def make(**given: Any) -> Settings:
        return Settings.of(**{"home": tmp_path / "home", **given})

    return make


@pytest.fixture(scope="module")
def collectors() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", COLLECTORS]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.stdin.close()


@pytest.fixture
def killed(collectors: subprocess.Popen[str]) -> Callable[..., bool]:
    """Run a collector that is killed before its n-th step; False where it ended before that.

    `lines` is how many a file has at most.
    """

    def run(settings: Settings, source: str, step: int, path: Path = Path(), lines: int = 4) -> bool:
        environ = {variable(name): f"{settings.value(name)}" for name in ("home", "x_url", "x_max_usd")}
        if settings.x.bearer_token:
            environ[variable("x_bearer_token")] = settings.x.bearer_token.get_secret_value()
        print(json.dumps([environ, source, step, str(path), lines]), file=collectors.stdin, flush=True)
        code = int(collectors.stdout.readline())
        assert code in (0, -signal.SIGKILL)
        return code != 0

    return run


@pytest.fixture
def spooled() -> Callable[[Settings], list[dict[str, Any]]]:
    """The rows of all spool files of tweets, in any order; each line of each file is whole."""

    def rows(settings: Settings) -> list[dict[str, Any]]:
        files = sorted((settings.spool / "incoming").glob("*.jsonl"))
        assert all(file.read_bytes().endswith(b"\n") for file in files)
        tweets = [file for file in files if "refused" not in file.name]
        return [envelope.row(line) for file in tweets for line in file.read_bytes().splitlines()]

    return rows


@pytest.fixture
def server() -> Iterator[X]:
    with x_server.running() as started:
        yield started


@pytest.fixture
def settings(server: X, make_settings: Callable[..., Settings]) -> Settings:
    return make_settings(x_url=server.url, x_bearer_token=x_server.TOKEN, x_max_usd=50)


@pytest.fixture
def search(settings: Settings) -> Callable[..., Summary]:
    """Collect; waits are kept in `search.waits` and not waited."""

    def run(**changes: Any) -> Summary:
        changed = settings.replace(**changes)
        return collect(changed, x.Search(changed, sleep=run.waits.append))

    run.waits = []
    return run
