"""A contract's history: all its events, and its state after them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow.parquet as pq

from lumbung.storage.lake import Lake
from lumbung.storage.manifest import DataFile
from lumbung.systems.contract_events import part as parts
from lumbung.systems.contract_events.message import TOMBSTONE
from lumbung.systems.contract_events.sending import newest_sending, sendings


@dataclass(frozen=True)
class History:
    """What is known of a contract.

    Attributes:
        events: each with its sending, day, generation, operation and value, in the order they were sent.
        contract: the columns of `staging.contract`; None: it was never sent, or is deleted.
        parties: its parties: the columns of `staging.contract_party`.
    """

    events: list[dict[str, Any]]
    contract: dict[str, Any] | None
    parties: list[dict[str, Any]]

    def to_json(self) -> dict[str, Any]:
        """As commands print it."""
        return {"events": self.events, "contract": self.contract, "parties": self.parties}


def history(lake: Lake, contract_id: str) -> History:
    """A contract's history, from the lake's sendings."""
    events = [
        {
            "sending": sending.generation,
            "day": sending.content.day,
            "generation": sending.content.generation,
            "operation": row["operation"],
            "value": json.loads(row["value"]) if row["operation"] != TOMBSTONE else None,
        }
        for sending in sendings(lake)
        for part in sending.content.parts
        for row in _rows(lake, part, contract_id)
    ]
    newest = newest_sending(lake)
    if newest is None:
        return History(events, None, [])
    contracts = _rows(lake, newest.content.contracts, contract_id)
    return History(events, contracts[0] if contracts else None, _rows(lake, newest.content.parties, contract_id))


def samples(lake: Lake) -> Iterator[str]:
    """Messages, those of the newest sending first."""
    for sending in reversed(sendings(lake)):
        for part in sending.content.parts:
            yield from (event.value for event in parts.read(lake, part) if event.value is not None)


def _rows(lake: Lake, file: DataFile, contract_id: str) -> list[dict[str, Any]]:
    with parts.local(lake, file) as local:
        rows: list[dict[str, Any]] = pq.read_table(local, filters=[("contract_id", "==", contract_id)]).to_pylist()
    return rows
