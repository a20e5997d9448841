"""The path of contract events in a process that can be killed, and what it leaves."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

from lumbung.catalog.contract import SQL_ROOT, Catalog
from lumbung.spark import contracts
from lumbung.systems.contract_events import part
from lumbung.systems.contract_events.topic import messages
from support.contracts_harness import STAGES, ContractsHarness

# Small ones, so that a version is several ranges for Spark, and several transactions.
RANGE_CONTRACTS, PART_EVENTS = 60, 25


def open_harness(order: dict[str, Any]) -> ContractsHarness:
    """The harness that an order names."""
    return ContractsHarness(
        Path(order["home"]),
        order["server"],
        order["kafka"],
        Catalog(SQL_ROOT),
        name=order["name"],
        contract_events_tombstone=True,
    )


def take(order: dict[str, Any]) -> None:
    """Run a day, and note each stage before it begins."""
    contracts.FIRST_RANGE = contracts.LATER_RANGE = RANGE_CONTRACTS
    part.PART_EVENTS = PART_EVENTS
    run, progress = open_harness(order).run(date.fromisoformat(order["day"])), Path(order["progress"])
    for stage in STAGES:
        with progress.open("a") as file:
            file.write(f"{stage}\n")
        run.through([stage])


def contents(harness: ContractsHarness) -> dict[str, list[str]]:
    """What must be the same, as tables of lines: the marts, and the topic's messages wherever they are."""
    tables = {name: rows for name, rows in harness.contents().items() if not name.endswith("freshness")}
    return tables | {"topic": topic(harness)}


def topic(harness: ContractsHarness) -> list[str]:
    """Key and value of each message."""
    return sorted(json.dumps([f"{message.key}", f"{message.value}"]) for message in messages(harness.settings))
