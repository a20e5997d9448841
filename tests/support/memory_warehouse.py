"""A warehouse in memory that keeps checksums in place of rows: what a table holds says what it was made from.

It is for tests of who writes what, thousands of them; what BigQuery answers is tested against a server. Each write may
be the one at which the process is killed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq

from lumbung.storage.client_errors import MissingError
from lumbung.storage.stamp import Stamp
from lumbung.storage.warehouse import BUILD, Job, Warehouse
from support.harness import MOMENTS

QUOTED = re.compile(r"`([\w-]+\.\w+\.\w+)`")
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Held:
    """A table: its times, and the checksum of each partition, or of the whole under an empty name."""

    created: datetime
    modified: datetime
    parts: dict[str, str] = field(default_factory=dict)


class MemoryWarehouse(Warehouse):
    """Tables by full name.

    Args:
        settings: project and prefix.
        identity: which warehouse it is.
        write: called with each write, in place of which it may raise.
    """

    def __init__(self, settings, identity: str, write: Callable[[Callable[[], None]], None]) -> None:
        self.settings, self._identity, self._write = settings, identity, write
        self.tables: dict[str, Held] = {}
        self.jobs: list[str] = []
        self._seconds = 0

    def change(self, name: str, part: str, content: str) -> None:
        """Write a part of a table, as anybody may."""
        held = self.tables.setdefault(name, Held(self._now(), EPOCH))
        held.parts[part] = content
        held.modified = self._now()

    def contents(self) -> dict[str, dict[str, str]]:
        """What each table holds, but for builds."""
        return {name: held.parts for name, held in self.tables.items() if f".{BUILD}." not in name}

    def identity(self):
        return self._identity

    def ensure_datasets(self, names):
        pass

    def partition_limit_days(self, names):
        return None

    def load(self, contract, source, day, labels, *, job_id=None):
        rows = pq.read_table(source).to_pylist()
        content = digest([{name: row[name] for name in row if name not in MOMENTS} for row in rows])
        part = f"{day:%Y%m%d}" if day else ""
        self._write(lambda: self.change(self.table(contract.address), part, content))
        self.jobs.append(f"load {contract.address}")
        return Job(job_id or "", len(rows), 0, 0.0)

    def build(self, contract, sql, target, parameters, labels):
        (day,) = parameters.values()
        part = f"{day:%Y%m%d}"
        made = QUOTED.sub(lambda match: self._read(match[1], part), sql)
        self._write(lambda: self.change(target, part if contract.is_daily else "", digest([made, f"{day}"])))
        self.jobs.append(f"build {contract.address}")
        return Job("", 1, 0, 0.0)

    def rows(self, sql, parameters=None, *, where="", labels=None):
        for name in QUOTED.findall(sql):
            days = self._held(name).parts.keys() - {""}
            assert f".{BUILD}." in name or not days, "a check of one day would count the rows of all days"
        checks = 1 + max(int(number) for number in re.findall(r"\bc(\d+)\b", sql))
        return pa.table({f"c{number}": [0] for number in range(checks)})

    def copy(self, pairs, labels, job_ids):
        for source, target in pairs:
            (name, _, part), (to, _, _) = source.partition("$"), target.partition("$")
            content = self._held(name).parts[part]
            self._write(lambda to=to, part=part, content=content: self.change(to, part, content))
            self.jobs.append(f"copy {to}")
        return [Job(key, 0, 0, 0.0) for key in job_ids]

    def settle(self, job_ids):
        pass

    def ensure_table(self, contract):
        if self.stamp(name := self.table(contract.address)) is None:
            self.tables[name] = Held(self._now(), self._now())

    def describe(self, contract, labels):
        return self.stamp(self.table(contract.address))

    def stamp(self, name):
        held = self.tables.get(name)
        return held and Stamp(held.created, held.modified)

    def drop(self, name):
        self._write(lambda: self.tables.pop(name, None))

    def _held(self, name: str) -> Held:
        if name not in self.tables:
            raise MissingError("it is not there", where=name, remedy="run the day again")
        return self.tables[name]

    def _read(self, name: str, part: str) -> str:
        """What a query reads: the partition that it selects, or the whole table."""
        parts = self._held(name).parts
        return parts.get(part if parts.keys() - {""} else "", "nothing")

    def _now(self) -> datetime:
        self._seconds += 1
        return EPOCH + timedelta(seconds=self._seconds)


def digest(content: object) -> str:
    """A short checksum."""
    return hashlib.sha256(repr(content).encode()).hexdigest()[:16]
