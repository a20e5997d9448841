"""The pipeline of contract events as the DAG runs it, but in this process, stage by stage and without Airflow."""

from __future__ import annotations

import csv
import uuid
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from confluent_kafka.admin import AdminClient

from lumbung.catalog.contract import Catalog
from lumbung.core.settings import Settings
from lumbung.pipeline.extract import extract
from lumbung.pipeline.run import Step
from lumbung.systems.contract_events import steps
from lumbung.systems.contract_events.topic import Verified, messages
from support.harness import DayRun, Harness

SYSTEM = "contract_events"
DAY = date(2026, 11, 24)
STAGES = (
    *("start", "extract", "snapshot", "events", "version", "rejected", "load", "build", "send", "contract_event_run"),
    *("publish", "audit"),
)
AFTER_VERSION = ("load", "build", "send", "publish")
FILES = {"account": "accounts.csv", "party": "parties.csv", "party_address": "party_address.csv"}
LOADED = (*FILES, "contract", "contract_party", "contract_event")
Rows = dict[str, list[dict[str, str]]]


def account(number: int | str, **changes: str) -> dict[str, str]:
    """A synthetic account."""
    return {
        "load_date": "2026-11-24",
        "active_ind": "1",
        "account_id": f"{number}",
        "source_sys": "COR",
        "account_start_date": "2018-03-24T13:56:45.000+07:00",
        "legal_title_1": f"Siti {number}",
        "legal_title_2": "",
        "tax_id_type": "NPWP",
        "tax_id": f"09.{number}",
        "branch_code": "JKT1",
        "country": "Indonesia",
        **changes,
    }


def party(account_id: int | str, party_id: int | str, **changes: str) -> dict[str, str]:
    """A party of an account."""
    return {
        "load_date": "2026-11-24",
        "account_id": f"{account_id}",
        "party_id": f"{party_id}",
        "relation_type": "F-N",
        "relation_start_date": "2019-07-29",
        **changes,
    }


def address(party_id: int | str, **changes: str) -> dict[str, str]:
    """A party's address."""
    return {
        "load_date": "2026-11-24",
        "party_id": f"{party_id}",
        "address_line_1": f"Jl. Asia {party_id}",
        "address_line_2": "",
        "city": "Bandung",
        "postal_code": "40262",
        "country_of_address": "Indonesia",
        "address_start_date": "2019-02-26",
        **changes,
    }


def sources(*numbers: int) -> Rows:
    """Accounts of these numbers, each with a party that has an address."""
    return {
        "account": [account(number) for number in numbers],
        "party": [party(number, f"p{number}") for number in numbers],
        "party_address": [address(f"p{number}") for number in numbers],
    }


def states() -> list[Rows]:
    """Three days in a row: five contracts; changes, one that is gone, a new one; a title, and the one that was gone."""
    first, second, third = sources(1, 2, 3, 4, 5), sources(1, 2, 3, 4, 6), sources(1, 2, 3, 4, 5, 6)
    second["account"][1]["branch_code"] = third["account"][1]["branch_code"] = "BDG2"
    second["account"][2]["active_ind"] = third["account"][2]["active_ind"] = "0"
    second["party"].append(party(4, "p9"))
    third["account"][0]["legal_title_2"] = "Ambon"
    return [first, second, third]


def write_sources(folder: Path, tables: Mapping[str, Sequence[Mapping[str, str]]]) -> None:
    """Write the three files."""
    folder.mkdir(parents=True, exist_ok=True)
    headers = {"account": account(0), "party": party(0, 0), "party_address": address(0)}
    for name, rows in tables.items():
        with (folder / FILES[name]).open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(headers[name]))
            writer.writeheader()
            writer.writerows(rows)


class ContractsHarness(Harness):
    """Sources, a topic, a lake and a warehouse of one test; the servers are shared."""

    def __init__(
        self, folder: Path, bigquery: str, kafka: str, catalog: Catalog, *, name: str = "", **options: Any
    ) -> None:
        """Make a harness; with the name of one, go on with that."""
        name = name or f"c{uuid.uuid4().hex[:12]}"
        given = {
            "home": folder / "home",
            "emulator_host": bigquery,
            "dataset_prefix": f"{name}_",
            "kafka": kafka,
            "contract_events_topic": name,
            "contract_events_source": folder / "sources",
        }
        super().__init__(folder, name, Settings.of(**(given | options)), catalog)

    def set(self, **options: Any) -> None:
        """Go on with other settings."""
        self.settings = self.settings.replace(**options)

    def give(self, tables: Rows) -> None:
        """Write the source files."""
        write_sources(self.settings.contract_events.source, tables)

    def run(self, day: date = DAY, **options: Any) -> ContractsDay:
        """A run, not started; options of the DAG, and those of `DayRun`."""
        return ContractsDay(self, day, **options)

    def take(self, tables: Rows | None = None, day: date = DAY, **options: Any) -> ContractsDay:
        """A run from start to end, of other source files where they are given."""
        if tables is not None:
            self.give(tables)
        return self.run(day, **options).through(STAGES)

    def messages(self) -> list[dict[str, Any]]:
        """What `lumbung contract-events messages --json` prints."""
        return [message.to_json() for message in messages(self.settings)]

    def in_order(self, *keys: str) -> list[tuple[str, str]]:
        """Key and operation of each message by partition and offset, of all contracts or of these."""
        return [
            (m["key"], m["value"]["payload"]["contractIdentifier"]["operation"] if m["value"] else "TOMBSTONE")
            for m in self.messages()
            if not keys or m["key"] in keys
        ]

    def operations(self) -> list[tuple[str, str]]:
        """Key and operation of each message, sorted."""
        return sorted(self.in_order())

    def messages_of(self, contract_id: str) -> list[dict[str, Any]]:
        """The events of a contract, in order."""
        return [message["value"] for message in self.messages() if message["key"] == contract_id]

    def verify(self) -> Verified:
        """What `lumbung contract-events verify` finds."""
        return steps.verify(self.settings, self.lake)

    def delete_topic(self) -> None:
        """Delete the topic, and wait until it is gone."""
        admin = AdminClient({"bootstrap.servers": f"{self.settings.kafka.servers}"})
        for future in admin.delete_topics([self.name]).values():
            future.result()
        while self.name in admin.list_topics(timeout=10).topics:
            pass


class ContractsDay(DayRun):
    """One run of contract events; options as the DAG's, and `DayRun`'s."""

    def __init__(self, harness: ContractsHarness, day: date, *, dry_run: bool = False, **options: Any) -> None:
        super().__init__(harness, SYSTEM, day, options={"dry_run": dry_run}, **options)
        self.did: dict[str, Any] = {}

    def extract(self) -> None:
        for contract in self.run.sources:
            extract(
                contract,
                self.run.day,
                lake=self.run.lake,
                data_source=self.system.source_folder(self.run),
                dsn=None,
                run_id=self.run.run_id,
                started_at=self.run.started_at,
                refresh=self.run.refresh,
            )

    def snapshot(self) -> Step:
        return self._do("snapshot", lambda: steps.snapshot(self.run))

    def events(self) -> Step:
        return self._do("events", lambda: steps.events(self.run))

    def version(self) -> Step:
        self.decide()
        return self.decided

    def load(self) -> list[Step]:
        tables = [self.run.catalog[f"staging.{name}"] for name in LOADED]
        return [self.system.load(self.run, table, self.target) for table in tables]

    def send(self) -> Step:
        return self._do("send", lambda: steps.send(self.run, self.target))

    def contract_event_run(self) -> Step:
        return self._do("contract_event_run", lambda: steps.contract_event_run(self.run))

    def up_to(self, stage: str) -> ContractsDay:
        """All stages up to one, that one included."""
        return self.through(STAGES[: STAGES.index(stage) + 1])

    def after(self, stage: str) -> ContractsDay:
        """All stages after one."""
        return self.through(STAGES[STAGES.index(stage) + 1 :])

    def through(self, stages: Sequence[str]) -> ContractsDay:
        """The stages, in order; what was skipped skips those that wait for it, as in the DAG."""
        for name in stages:
            skips = [self.did[task].skipped for task in ("version", "send") if task in self.did]
            if any(skips) and name in AFTER_VERSION:
                continue
            self.did[name] = getattr(self, name)()
        return self
