"""The budget's figures, as tools/budget/*.yaml give them; each has its source and date. Money is Decimal."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from math import prod
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from lumbung.core.errors import LumbungError

FOLDER = Path(__file__).parent
MB_IN_GB = 1024

Basis = Literal["published", "derived", "assumed"]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Price(_Model):
    """A price in US dollars for one `unit`, or a share (discounts)."""

    value: Decimal
    unit: str
    region: str
    date: date
    basis: Basis
    source: str
    note: str = ""


class Rate(_Model):
    """Rupiah for one US dollar."""

    rupiah: Decimal
    date: date
    basis: Basis
    source: str
    note: str = ""


class Amount(_Model):
    """A quantity."""

    amount: Decimal
    unit: str


class Term(_Model):
    """A price times quantities."""

    price: str
    times: list[Amount]


class ReportLine(_Model):
    """A line of the report: its rupiah as reported, and the terms that add up to them."""

    name: str
    reported: Decimal
    basis: Literal["derived", "inferred", "as reported"]
    terms: list[Term]
    note: str


class Report(_Model):
    """The report's budget."""

    rate: str
    total_month: Decimal
    total_year: Decimal
    lines: list[ReportLine]
    left_out: list[Term]


class Volume(_Model):
    """Tweets a day, and their size."""

    low: int
    typical: int
    high: int
    raw_kb: Decimal
    cleaned_mb_a_year: Decimal
    steps: list[int]


class Part(_Model):
    """A program and its resident memory in MB."""

    mb: int
    basis: Literal["measured", "assumed"]
    what: str


class Machine(_Model):
    """A machine type: the vCPU it is billed for, and its memory in GB."""

    vcpu: Decimal
    gb: Decimal
    custom: bool = False


class Step(_Model):
    """The machine for `volume` times the typical volume or more, and its hours a day."""

    volume: int
    machine: str
    hours: Decimal


class Design(_Model):
    """A way to run the service."""

    name: str
    title: str
    offered: bool
    search: bool
    spark: Literal["sail", "serverless"]
    spot: bool
    stream: bool
    steps: list[Step]
    memory: dict[str, list[str]]
    note: str

    def step(self, volume: int) -> Step:
        """The machine for `volume` times the typical volume."""
        return max((step for step in self.steps if step.volume <= volume), key=lambda step: step.volume)

    @property
    def provisioning(self) -> str:
        """How the machine is bought."""
        return "Spot" if self.spot else "on demand"


class Memory(_Model):
    """What a machine runs at once."""

    machine: str
    parts: list[str]


class Assumptions(_Model):
    """Assumptions behind the costs that grow with the volume; explained in designs.yaml."""

    kafka_days: int
    program_gb: Decimal
    search_program_gb: Decimal
    index_factor: int
    bigquery_copies: int
    bigquery_scans: int
    daily_writes: int
    daily_reads: int
    stream_writes: int
    stream_reads: int
    spark_minutes: Decimal
    spark_dcu: int
    spark_shuffle_gb: int
    x_count_requests: int
    x_monthly_posts: int


class Budget(_Model):
    """All of tools/budget."""

    prices: dict[str, Price]
    rates: dict[str, Rate]
    report: Report
    limit: Decimal
    volume: Volume
    assumptions: Assumptions
    memory_share: Decimal
    memory: dict[str, Part]
    machines: dict[str, Machine]
    report_memory: Memory
    designs: list[Design]

    @model_validator(mode="after")
    def _references_exist(self) -> Self:
        terms = [*self.report.left_out, *(term for line in self.report.lines for term in line.terms)]
        machines = [self.report_memory.machine, *(step.machine for design in self.designs for step in design.steps)]
        programs = [self.report_memory.parts, *(parts for design in self.designs for parts in design.memory.values())]
        for kind, names, known in (
            ("price", [term.price for term in terms], self.prices),
            ("rate", [self.report.rate, "now"], self.rates),
            ("machine", machines, self.machines),
            ("part", [part for parts in programs for part in parts], self.memory),
        ):
            if unknown := sorted(set(names) - set(known)):
                raise ValueError(f"no such {kind}: {', '.join(unknown)}")
        return self

    def usd(self, price: str, *quantities: Decimal | int) -> Decimal:
        """A price times quantities, in US dollars, unrounded."""
        return self.prices[price].value * prod(map(Decimal, quantities), start=Decimal(1))

    def rupiah(self, usd: Decimal, rate: str = "now") -> Decimal:
        """Dollars at a rate, in rupiah, unrounded."""
        return usd * self.rates[rate].rupiah

    @property
    def report_usd(self) -> Decimal:
        """The report's month in US dollars at the report's rate."""
        return self.report.total_month / self.rates[self.report.rate].rupiah


def load(folder: Path = FOLDER) -> Budget:
    """Read the three files of the budget.

    Raises:
        LumbungError: a file is missing or does not hold what it should.
    """
    try:
        prices, report, designs = (_read(folder / f"{name}.yaml") for name in ("prices", "report", "designs"))
        return Budget(**prices, **designs, report=report)
    except (OSError, yaml.YAMLError, ValidationError, TypeError) as error:
        raise LumbungError(f"the budget cannot be read: {error}", where=str(folder), remedy="fix the file") from error


def _read(path: Path) -> Any:
    with path.open(encoding="utf-8") as stream:
        return yaml.safe_load(stream)
