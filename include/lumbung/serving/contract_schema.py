"""Typed results about contracts, as `lumbung.serving.schema` has those of other systems."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from lumbung.serving.schema import Result


@dataclass(frozen=True)
class ContractCount(Result):
    """The contracts of a country, as `datamart.contract_by_country` has them."""

    country: str
    contract_count: int
    held_count: int
    without_party_count: int
    relation_count: int
    party_count: int


@dataclass(frozen=True)
class EventCount(Result):
    """The events of an operation and a day, as `datamart.contract_event_daily` has them."""

    event_date: datetime.date
    operation: str
    event_count: int
    contract_count: int
    sending_count: int


@dataclass(frozen=True)
class ContractAnswers(Result):
    """Contracts by country, most first; events by operation, of all days; and by day, those without events left out."""

    contracts_by_country: list[ContractCount]
    events_by_operation: dict[str, int]
    events_by_day: list[EventCount]
