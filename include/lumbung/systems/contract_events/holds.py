"""Which contracts a version's rejected rows hold back.

The contract of a rejected row stays as it was sent last, as its present state is not known. A rejected row whose key
cannot be read may be any row that is missing, so then nothing that is missing counts as removed. An identical repeat
loses no row, and a row that refers to a missing one holds nothing by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from lumbung.pipeline import rejects, snapshot
from lumbung.pipeline.snapshot import Version
from lumbung.storage.lake import Lake

SCHEMA = pa.schema([("contract_id", pa.string()), ("party_id", pa.string())])
"""Of a file of holds: each row has one of the two."""

_CONTRACT, _PARTY = "account_id", "party_id"
_HOLDS_BY = {"account": _CONTRACT, "party": _CONTRACT, "party_address": _PARTY}
"""The key column of each source by which a rejected row is held."""


@dataclass(frozen=True)
class Holds:
    """What rejected rows hold back.

    Attributes:
        contracts: contracts, by account_id.
        parties: parties; every contract that has one of them is held.
        removals: whether contracts, parties and addresses that are missing may be among the rejects.
    """

    contracts: frozenset[str]
    parties: frozenset[str]
    removals: bool


def holds(lake: Lake, version: Version) -> Holds:
    """What the rejects of a version's snapshots hold back.

    Args:
        lake: the lake.
        version: the version; rows that its references rejected hold nothing.

    Raises:
        LumbungError: a snapshot of the version is not in the lake any more.
    """
    held: dict[str, set[str]] = {_CONTRACT: set(), _PARTY: set()}
    removals = False
    for entity, column in _HOLDS_BY.items():
        for key in _lost_keys(lake, version, entity):
            if value := key.get(column):
                held[column].add(value)
            else:
                removals = True
    return Holds(frozenset(held[_CONTRACT]), frozenset(held[_PARTY]), removals)


def write(held: Holds, file: Path) -> None:
    """Write what is held by contract or party as a Parquet file with `SCHEMA`.

    Args:
        held: what is held.
        file: the file, on local disk.
    """
    contracts, parties = sorted(held.contracts), sorted(held.parties)
    columns = [contracts + [None] * len(parties), [None] * len(contracts) + parties]
    pq.write_table(pa.Table.from_arrays([pa.array(column, pa.string()) for column in columns], schema=SCHEMA), file)


def _lost_keys(lake: Lake, version: Version, entity: str) -> Iterator[dict[str, str | None]]:
    """The keys of the rows of a source that are missing because they were rejected, as far as they can be read."""
    generation = version.members[entity].generation
    taken = snapshot.of_generation(lake, version.system, entity, version.day, generation)
    if taken.rejects is None:
        return
    with lake.local(taken.rejects.path) as file:
        for key, loses_row in rejects.keys(file):
            if loses_row:
                yield key
