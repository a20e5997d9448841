"""Prune of contract events: days of snapshots by the usual rules; all that was sent stays, of any age."""

from __future__ import annotations

import dataclasses
from datetime import datetime

from lumbung.catalog.contract import Catalog
from lumbung.pipeline.retention import Plan, day_files, day_of, plan_snapshots
from lumbung.storage.lake import Lake
from lumbung.storage.warehouse import Warehouse
from lumbung.systems.contract_events.plan import CONTRACT, CONTRACT_PARTY
from lumbung.systems.contract_events.record import RUNS
from lumbung.systems.contract_events.sending import EVENTS, PLANS, STATES, sendings


def plan(lake: Lake, warehouse: Warehouse, catalog: Catalog, system: str, *, keep: int, before: datetime) -> Plan:
    """What goes: days of snapshots with what runs recorded of them, plans, and files that nothing needs any more.

    Sendings and their events stay: a topic that is made again gets them again. Of contracts and parties the state after
    the newest sending stays, which the next version is compared with.

    Args:
        lake: the lake.
        warehouse: whose staging partitions go.
        catalog: all contracts.
        system: the system.
        keep: days with a committed version to keep.
        before: a younger file may be that of a run at work.
    """
    # Listed before the sendings are read: what is written in between is in no list.
    files = [file for folder in (PLANS, EVENTS, STATES) for file in lake.files(folder) if file.modified < before]
    tables = [*catalog.sources(system), *(catalog[f"staging.{table}"] for table in (CONTRACT, CONTRACT_PARTY))]
    of_days = plan_snapshots(lake, warehouse, system, tables, keep=keep, before=before)
    sent = sendings(lake)
    named = {part.path for sending in sent for part in sending.content.parts}
    if sent:
        named |= {sent[-1].content.contracts.path, sent[-1].content.parties.path}
    runs = [file for file in day_files(lake, RUNS) if day_of(file) in of_days.days]
    return dataclasses.replace(
        of_days,
        data=[*of_days.data, *runs, *(file for file in files if file.path not in named)],
        folders=[*of_days.folders, RUNS],
    )
