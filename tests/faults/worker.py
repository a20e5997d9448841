"""Runs that can be killed: a process forks one for each line of its input, so that the imports are paid for once.

Each run leads a session of its own. The process prints the run's id; the run writes its outcome to a file, unless it
is killed: nothing where it succeeded, else the error.
"""

import json
import os
import signal
import sys
import traceback
import warnings
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

from faults import activity_path, contract_path
from lumbung.catalog.contract import Catalog
from lumbung.core.errors import LumbungError
from lumbung.core.settings import Settings
from lumbung.local import services
from lumbung.local.postgres import Postgres
from support.pipeline import PipelineHarness
from support.tweet_harness import TweetHarness


def take(order: dict[str, Any]) -> None:
    """Run a day of a harness as a command does, with the servers that are missing; or an order of another path."""
    if activity := order.get("activity"):
        activity_path.take(Path(activity["home"]), activity["kafka"], Path(activity["file"]), activity["steps"])
        return
    if contracts := order.get("contracts"):
        contract_path.take(contracts)
        return
    with services.running(Settings.of(home=Path(order["base"]), data_source=Path(order["seed"]))) as settings:
        folder, server = Path(order["home"]), order["server"] or settings.emulator_host
        catalog, name = Catalog(Path(order["catalog"])), order["name"]
        harness = (
            TweetHarness(folder, server, order["kafka"], catalog, name=name)
            if order["kafka"]
            else PipelineHarness(folder, server, Postgres(Path(order["base"])), catalog, name=name)
        )
        harness.take(order["day"], refresh=bool(order["refresh"]), run_id=Path(order["outcome"]).name)


def set_clock(seconds: float) -> None:
    """Let this process think that it is so much later."""

    class Shifted(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return datetime.now(tz) + timedelta(seconds=seconds)

    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in ("lumbung", "support") and getattr(module, "datetime", None) is datetime:
            module.datetime = Shifted


def child(order: dict[str, Any]) -> None:
    """Do what an order says, and write its outcome."""
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    outcome = Path(order["outcome"])
    log = os.open(outcome.with_suffix(".log"), os.O_WRONLY | os.O_CREAT)
    os.dup2(log, 1)
    os.dup2(log, 2)
    text = ""
    if order.get("clock"):
        set_clock(order["clock"])
    try:
        take(order)
    except LumbungError as error:
        text = f"refused: {error}"
    except BaseException:  # noqa: BLE001 - it is what the scenario looks for
        text = traceback.format_exc()
    part = outcome.with_suffix(".part")
    part.write_text(text)
    part.replace(outcome)


if __name__ == "__main__":
    # Threads of libraries that are imported here do nothing that a fork could catch in the middle.
    warnings.simplefilter("ignore", DeprecationWarning)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    for line in sys.stdin:
        if not (pid := os.fork()):
            child(json.loads(line))
            os._exit(0)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()
