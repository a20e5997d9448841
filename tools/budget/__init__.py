"""What the Cilvest service costs: the report's budget again, and the designs that Lumbung offers.

Quantities, prices and exchange rates are in tools/budget/*.yaml, each with its source and date. Money is Decimal: US
dollars unrounded, rupiah rounded to the cent where it is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal
from math import prod
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from lumbung.core.errors import LumbungError

FOLDER = Path(__file__).parent
CENT = Decimal("0.01")
TIMES = "\N{MULTIPLICATION SIGN}"
MONTHS = 12
DAYS = Decimal(365) / MONTHS  # of a month; with 24 hours a day they are the 730 hours of Google's calculator
MB_IN_GB = 1024
KB_IN_GB = MB_IN_GB * 1024
GB_IN_TIB = 1024
SCAN_MINIMUM_MB = 10  # what BigQuery bills at least for a table that a query reads
DISK_STEP = 10  # disks are bought in steps of so many GB
# What is free in us-central1: https://cloud.google.com/free/docs/free-cloud-features
FREE_STORAGE_GB = 5
FREE_WRITES = 5_000
FREE_BIGQUERY_GB = 10
FREE_QUERY_TIB = 1


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Price(_Model):
    """A price in US dollars for one `unit`, or a share (discounts)."""

    value: Decimal
    unit: str
    region: str
    date: date
    basis: Literal["published", "derived", "assumed"]
    source: str
    note: str = ""


class Rate(_Model):
    """Rupiah for one US dollar."""

    rupiah: Decimal
    date: date
    basis: Literal["published", "derived", "assumed"]
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
    """A line of the report: what it says in rupiah, and the terms that give it."""

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
    """The machine from `volume` times the typical volume on, and its hours a day."""

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
        return max((one for one in self.steps if one.volume <= volume), key=lambda one: one.volume)


class Memory(_Model):
    """What a machine runs at once."""

    machine: str
    parts: list[str]


class Assumptions(_Model):
    """What the costs that grow with the volume rest on; explained in designs.yaml."""

    kafka_days: int
    program_gb: Decimal
    search_program_gb: Decimal
    index_factor: int
    bigquery_copies: int
    bigquery_scans: int
    daily_writes: int
    stream_writes: int
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
    def _named(self) -> Self:
        terms = [*self.report.left_out, *(term for line in self.report.lines for term in line.terms)]
        machines = [self.report_memory.machine, *(step.machine for one in self.designs for step in one.steps)]
        parts = [self.report_memory.parts, *(parts for one in self.designs for parts in one.memory.values())]
        for kind, names, known in (
            ("price", [term.price for term in terms], self.prices),
            ("rate", [self.report.rate, "now"], self.rates),
            ("machine", machines, self.machines),
            ("part", [part for one in parts for part in one], self.memory),
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


@dataclass(frozen=True)
class Cost:
    """A line of a month's bill."""

    name: str
    detail: str
    usd: Decimal


@dataclass(frozen=True)
class Section:
    """A table with its words; `numbers` are the columns aligned right."""

    title: str
    text: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    numbers: tuple[str, ...] = ()
    after: str = ""
    level: int = 2


def load(folder: Path = FOLDER) -> Budget:
    """Read the three files of the budget.

    Raises:
        LumbungError: a file is missing or does not hold what it should.
    """
    try:
        prices, report, designs = (_read(folder / f"{name}.yaml") for name in ("prices", "report", "designs"))
        return Budget(**prices, **designs, report=report)
    except (OSError, yaml.YAMLError, ValidationError, TypeError) as error:
        raise LumbungError(f"the budget cannot be read: {error}", where=str(folder), remedy="mend the file") from error


def number(value: Decimal | int, places: int | None = None) -> str:
    """A number as Indonesians write it: 1.234,5; all its digits if `places` is not given."""
    decimal = Decimal(value)
    rounded = decimal.normalize() if places is None else decimal.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    return f"{rounded:,f}".translate(str.maketrans(",.", ".,"))


def rupiah(value: Decimal) -> str:
    """Rupiah as Indonesians write them: Rp 417.514,48."""
    return f"Rp {number(value, 2)}"


def dollars(value: Decimal, places: int | None = 2) -> str:
    """US dollars in the same way: US$ 26,56."""
    return f"US$ {number(value, places)}"


def percent(share: Decimal) -> str:
    """A share as a percentage with one decimal."""
    return f"{number(share * 100, 1)} %"


def cents(value: Decimal) -> Decimal:
    """Rounded to the cent, halves up."""
    return value.quantize(CENT, ROUND_HALF_UP)


def term_usd(budget: Budget, term: Term) -> Decimal:
    """What a term comes to, in US dollars, unrounded."""
    return budget.usd(term.price, *(one.amount for one in term.times))


def line_usd(budget: Budget, line: ReportLine) -> Decimal:
    """What a line's quantities and prices come to, in US dollars, unrounded."""
    return sum((term_usd(budget, term) for term in line.terms), Decimal(0))


def costs(budget: Budget, design: Design, volume: int = 1) -> list[Cost]:
    """A month of a design at `volume` times the typical tweets a day, at the end of the first year."""
    step, given = design.step(volume), budget.assumptions
    machine, hours = budget.machines[step.machine], step.hours * DAYS
    tweets = budget.volume.typical * volume
    raw_gb = tweets * 365 * budget.volume.raw_kb / KB_IN_GB
    cleaned_gb = budget.volume.cleaned_mb_a_year * volume / MB_IN_GB
    bigquery_gb = cleaned_gb * given.bigquery_copies
    scan_gb = max(cleaned_gb, Decimal(SCAN_MINIMUM_MB) / MB_IN_GB)
    query_tib = DAYS * given.bigquery_scans * scan_gb / GB_IN_TIB
    writes = DAYS * (given.daily_writes + design.stream * given.stream_writes)
    disk = disk_gb(budget, design, volume)

    hourly = budget.usd("e2_vcpu", machine.vcpu) + budget.usd("e2_memory", machine.gb)
    factor = (1 + machine.custom * budget.prices["custom_premium"].value) * (
        1 - design.spot * budget.prices["spot_discount"].value
    )
    return [
        Cost("Machine", f"{step.machine}, {_kind(design)}, {number(hours, 1)} h", hourly * factor * hours),
        Cost(
            "External address",
            f"{number(hours, 1)} h",
            budget.usd("ip_spot" if design.spot else "ip_standard", hours),
        ),
        Cost("Disk", f"{disk} GB, balanced", budget.usd("disk_balanced", disk)),
        _spark(budget, design),
        Cost(
            "Cloud Storage",
            f"{number(raw_gb, 2)} GB and {number(writes, 0)} writes, of which {FREE_STORAGE_GB} GB and"
            f" {number(FREE_WRITES)} writes are free",
            budget.usd("gcs_standard", _over(raw_gb, FREE_STORAGE_GB))
            + budget.usd("gcs_class_a", _over(writes, FREE_WRITES)),
        ),
        Cost(
            "BigQuery",
            f"{number(bigquery_gb, 2)} GB and {number(query_tib, 2)} TiB scanned, of which {FREE_BIGQUERY_GB} GB and"
            f" {FREE_QUERY_TIB} TiB are free",
            budget.usd("bigquery_storage", _over(bigquery_gb, FREE_BIGQUERY_GB))
            + budget.usd("bigquery_query", _over(query_tib, FREE_QUERY_TIB)),
        ),
    ]


def month_usd(budget: Budget, design: Design, volume: int = 1) -> Decimal:
    """A month of a design in US dollars, unrounded, without the X API."""
    return sum((one.usd for one in costs(budget, design, volume)), Decimal(0))


def disk_gb(budget: Budget, design: Design, volume: int = 1) -> int:
    """The disk a design needs at the end of the first year, in steps of 10 GB."""
    given = budget.assumptions
    need = given.program_gb + given.kafka_days * budget.volume.typical * volume * budget.volume.raw_kb / KB_IN_GB
    if design.search:
        index = given.index_factor * budget.volume.cleaned_mb_a_year * volume / MB_IN_GB
        need += given.search_program_gb + index
    return int((need / DISK_STEP).to_integral_value(ROUND_CEILING)) * DISK_STEP


def memory_mb(budget: Budget, parts: Sequence[str]) -> int:
    """What programs hold together, in MB."""
    return sum(budget.memory[part].mb for part in parts)


def fits(budget: Budget, machine: str, parts: Sequence[str]) -> bool:
    """Whether programs fit into a machine's memory with room to spare."""
    return memory_mb(budget, parts) <= budget.machines[machine].gb * MB_IN_GB * budget.memory_share


def x_costs(budget: Budget, tweets: int) -> dict[str, Decimal]:
    """A month of the X API for so many tweets a day, in US dollars: three ways to ask, the dearest first.

    The author is a user read for each tweet: the ceiling, as X charges the same user once a day.
    """
    posts = budget.usd("x_post", tweets, DAYS)
    return {
        "tweets with their authors": posts + budget.usd("x_user", tweets, DAYS),
        "tweets without authors": posts,
        "counts only": budget.usd("x_count", budget.assumptions.x_count_requests, DAYS),
    }


def sections(budget: Budget) -> list[Section]:
    """The tables of the budget, in order."""
    parts: list[Callable[[Budget], list[Section]]] = [
        _summary,
        _report,
        _designs,
        _memory,
        _discounts,
        _x_api,
        _volumes,
        _exchange,
        _sources,
    ]
    return [section for part in parts for section in part(budget)]


def markdown(budget: Budget) -> str:
    """docs/budget.md."""
    lines = [
        "# Budget",
        "",
        "What the Cilvest service costs a month and a year: the report of 2 January 2023 recomputed, then the same",
        "service on the designs that Lumbung offers. It is generated: `lumbung budget --markdown > docs/budget.md`.",
        "The figures behind it, each with unit, region, source and date, are in [tools/budget](../tools/budget); the",
        "drawing is [infra/lumbung.svg](../infra/lumbung.svg). Numbers are written as in Indonesia: Rp 417.514,48.",
    ]
    for section in sections(budget):
        lines += ["", f"{'#' * section.level} {section.title}", ""]
        lines += [section.text, ""] if section.text else []
        lines.append(f"| {' | '.join(section.columns)} |")
        lines.append(f"|{'|'.join('---:' if one in section.numbers else '---' for one in section.columns)}|")
        lines += [f"| {' | '.join(row)} |" for row in section.rows]
        lines += ["", section.after] if section.after else []
    return "\n".join(lines) + "\n"


def to_json(budget: Budget) -> dict[str, Any]:
    """The budget for programs; money as strings, so that no digit is lost."""
    report, rate = budget.report, budget.report.rate
    return {
        "report": {
            "rate": str(budget.rates[rate].rupiah),
            "month": str(report.total_month),
            "year": str(report.total_year),
            "sum_of_lines": str(sum(line.reported for line in report.lines)),
            "lines": [
                {
                    "name": line.name,
                    "reported": str(line.reported),
                    "computed": str(cents(budget.rupiah(line_usd(budget, line), rate))),
                    "usd": str(line_usd(budget, line)),
                    "basis": line.basis,
                }
                for line in report.lines
            ],
        },
        "limit": str(budget.limit),
        "designs": [
            {
                "name": design.name,
                "offered": design.offered,
                "search": design.search,
                "fits": all(fits(budget, design.step(1).machine, parts) for parts in design.memory.values()),
                "month_usd": {str(step): str(month_usd(budget, design, step)) for step in budget.volume.steps},
                "month": str(cents(budget.rupiah(month_usd(budget, design)))),
                "share_of_report": str(month_usd(budget, design) / budget.report_usd),
                "share_in_todays_rupiah": str(budget.rupiah(month_usd(budget, design)) / report.total_month),
            }
            for design in budget.designs
        ],
        "x_api_month_usd": {
            str(step): {name: str(usd) for name, usd in x_costs(budget, budget.volume.typical * step).items()}
            for step in budget.volume.steps
        },
        "rates": {name: str(one.rupiah) for name, one in budget.rates.items()},
    }


def _read(path: Path) -> Any:
    with path.open(encoding="utf-8") as stream:
        return yaml.safe_load(stream)


def _over(amount: Decimal, free: int) -> Decimal:
    return max(amount - free, Decimal(0))


def _spark(budget: Budget, design: Design) -> Cost:
    given = budget.assumptions
    if design.spark == "sail":
        return Cost("Spark", "Sail, on the machine", Decimal(0))
    hours = DAYS * given.spark_minutes / 60
    return Cost(
        "Spark",
        f"Dataproc Serverless, {given.spark_dcu} DCU and {number(given.spark_shuffle_gb)} GB, {number(hours, 2)} h",
        budget.usd("serverless_dcu", given.spark_dcu, hours)
        + budget.usd("serverless_shuffle", given.spark_shuffle_gb, hours / (DAYS * 24)),
    )


def _summary(budget: Budget) -> list[Section]:
    now = budget.rates["now"]
    rows = [
        (
            "the report, 2 January 2023",
            dollars(budget.report_usd),
            rupiah(budget.report.total_month),
            rupiah(budget.report.total_year),
            percent(Decimal(1)),
            percent(Decimal(1)),
        )
    ]
    for one in budget.designs:
        usd = month_usd(budget, one)
        share, paid = usd / budget.report_usd, budget.rupiah(usd) / budget.report.total_month
        name = one.name if one.offered else f"{one.name} (comparison)"
        rows.append((name, *_month_and_year(budget, usd), percent(share), percent(paid)))
    for name, usd in x_costs(budget, budget.volume.typical).items():
        rows.append((f"beside it, the X API: {name}", *_month_and_year(budget, usd), "", ""))
    return [
        Section(
            "In short",
            f"At {number(budget.volume.typical)} tweets a day (the report: {number(budget.volume.low)} to"
            f" {number(budget.volume.high)}), in us-central1, at the newest exchange rate found"
            f" (Rp {number(now.rupiah)}, {now.date}). *Same rupiah* compares the dollars, as if the rate were still the"
            f" report's; *today's rupiah* compares what is paid. What is offered is at most"
            f" {number(budget.limit * 100)} % of the report by both.",
            ("design", "US$ a month", "a month", "a year", "same rupiah", "today's rupiah"),
            rows,
            ("US$ a month", "a month", "a year", "same rupiah", "today's rupiah"),
            after="The tweets cost more than all machines together: see [the X API](#the-x-api).",
        )
    ]


def _month_and_year(budget: Budget, usd: Decimal) -> tuple[str, str, str]:
    month = budget.rupiah(usd)
    return dollars(usd), rupiah(month), rupiah(cents(month) * MONTHS)


def _report(budget: Budget) -> list[Section]:
    report, rate = budget.report, budget.rates[budget.report.rate]
    rows: list[tuple[str, ...]] = []
    for line in report.lines:
        usd = line_usd(budget, line)
        formula = " + ".join(_formula(budget, term) for term in line.terms) or "free"
        computed = rupiah(budget.rupiah(usd, report.rate))
        rows.append((line.name, rupiah(line.reported), computed, dollars(usd, 6), formula, line.basis))
    usd = sum((line_usd(budget, line) for line in report.lines), Decimal(0))
    exact = budget.rupiah(usd, report.rate)
    printed = sum((line.reported for line in report.lines), Decimal(0))
    rows.append(("sum of the lines", rupiah(printed), rupiah(exact), dollars(usd, 6), "", ""))
    rows.append(("the report's total", rupiah(report.total_month), "", "", "", ""))
    left_out = sum((term_usd(budget, term) for term in report.left_out), Decimal(0))
    return [
        Section(
            "The report, line by line",
            f"At Rp {number(rate.rupiah)} for a dollar all lines come out to the cent. *Derived*: from the machines"
            " that the report names and the list prices. *Inferred*: a quantity was worked back from the figure; it"
            " fits, but the report does not say it. No line had to be taken as reported.",
            ("line", "reported", "computed", "US$", f"quantity {TIMES} price", "basis"),
            rows,
            ("reported", "computed", "US$"),
            after="\n\n".join(
                (
                    f"Do the lines add up? As printed they make {rupiah(printed)}, one cent more than the total,"
                    f" {rupiah(report.total_month)}. Unrounded they make Rp {number(exact, 4)}: the total is right, and"
                    " the cent is the rounding of the lines. The year is twelve times the rounded month:"
                    f" {rupiah(report.total_year)}.",
                    "\n".join(f"- *{line.name}*: {line.note}" for line in report.lines),
                    "What the report leaves out: its machine has an external address (Kibana is opened on it), which"
                    f" was not free: {' + '.join(_formula(budget, term) for term in report.left_out)} ="
                    f" {dollars(left_out)} or {rupiah(budget.rupiah(left_out, report.rate))} a month. The designs below"
                    " pay for theirs. Reading tweets was free then; it is not any more.",
                )
            ),
        )
    ]


def _formula(budget: Budget, term: Term) -> str:
    amounts = [f"{number(one.amount)} {one.unit}" for one in term.times]
    return f" {TIMES} ".join([*amounts, dollars(budget.prices[term.price].value, None)])


def _designs(budget: Budget) -> list[Section]:
    found = [
        Section(
            "The designs",
            "In all of them a timer starts the day's DAG, so that no scheduler runs all day; Looker Studio is free, and"
            " traffic between the machine, Cloud Storage and BigQuery stays in one region, where it is free too.",
            ("design", "what it is", "Spark", "search server", "machine"),
            [
                (
                    one.name,
                    one.title,
                    "Sail" if one.spark == "sail" else "Dataproc Serverless",
                    "yes" if one.search else "no",
                    f"{one.step(1).machine}, {_kind(one)}",
                )
                for one in budget.designs
            ],
        )
    ]
    for one in budget.designs:
        lines = [(cost.name, cost.detail, cost.usd) for cost in costs(budget, one)]
        lines.append(("a month", "", month_usd(budget, one)))
        rows = [(name, detail, dollars(usd), rupiah(budget.rupiah(usd))) for name, detail, usd in lines]
        columns = ("line", "quantity", "US$", "rupiah")
        found.append(Section(one.name, f"{one.title}. {one.note}", columns, rows, ("US$", "rupiah"), level=3))
    return found


def _kind(design: Design) -> str:
    return "Spot" if design.spot else "on demand"


def _memory(budget: Budget) -> list[Section]:
    given = budget.report_memory
    wanted = [("the report, programs as shipped", "all day", given.machine, given.parts)]
    for design in budget.designs:
        wanted += [(design.name, phase, design.step(1).machine, parts) for phase, parts in design.memory.items()]
    rows = []
    for name, phase, machine, parts in wanted:
        need, there = memory_mb(budget, parts), budget.machines[machine].gb * MB_IN_GB
        answer = "yes" if fits(budget, machine, parts) else "no"
        rows.append((name, phase, machine, number(need), number(there), percent(need / there), answer))
    return [
        Section(
            "Does it fit",
            "Resident memory in MB of all that runs at once. It fits if at most"
            f" {number(budget.memory_share * 100)} % of the machine's memory is held; the rest is page cache and"
            " growth.",
            ("design", "when", "machine", "needs", "has", "held", "fits"),
            rows,
            ("needs", "has", "held"),
            after="The report's machine works only as long as its programs do not take the memory that their defaults"
            " allow them. *always-on* shows that with small heaps its 4 GB hold Kafka, Elasticsearch and Kibana, but"
            " not the nightly run beside them.",
        ),
        Section(
            "What the programs hold",
            "",
            ("part", "MB", "basis", "what"),
            [(name, number(one.mb), one.basis, one.what) for name, one in budget.memory.items()],
            ("MB",),
            level=3,
        ),
    ]


def _discounts(budget: Budget) -> list[Section]:
    machine = budget.machines["e2-medium"]
    full = (budget.usd("e2_vcpu", machine.vcpu) + budget.usd("e2_memory", machine.gb)) * DAYS * 24
    kinds = (
        ("on demand", Decimal(0), "Always there."),
        ("sustained use", budget.prices["sustained_discount"].value, "E2 gets none; older series do."),
        ("committed, 3 years", budget.prices["commitment_discount"].value, "At the most; shared cores may get none."),
        ("Spot", budget.prices["spot_discount"].value, "At the least. Can be taken away, so the stream must resume."),
    )
    rows = []
    for name, share, words in kinds:
        usd = full * (1 - share)
        rows.append((name, percent(share), dollars(usd), percent(usd / budget.report_usd), words))
    return [
        Section(
            "Discounts",
            "An e2-medium all month, the machine alone:",
            ("way to pay", "off", "US$ a month", "of the report", "what to know"),
            rows,
            ("off", "US$ a month", "of the report"),
        )
    ]


def _x_api(budget: Budget) -> list[Section]:
    answers = (
        "all five questions",
        "all but the most active authors",
        "totals, by day and by hour; no texts, no search",
    )
    levels = (budget.volume.low, budget.volume.typical, budget.volume.high)
    by_level = [x_costs(budget, tweets) for tweets in levels]
    columns = [f"{number(tweets)} tweets a day" for tweets in levels]
    last = f"rupiah at {number(budget.volume.typical)}"
    rows = []
    for name, answer in zip(by_level[0], answers, strict=True):
        usds = [one[name] for one in by_level]
        rows.append((name, answer, *(dollars(usd) for usd in usds), rupiah(budget.rupiah(usds[1]))))
    return [
        Section(
            "The X API",
            f"A month, pay-per-use: {dollars(budget.prices['x_post'].value, 3)} a post,"
            f" {dollars(budget.prices['x_user'].value, 3)} a user (at most one for each tweet),"
            f" {dollars(budget.prices['x_count'].value, 3)} a request for counts.",
            ("what is read", "what it answers", *columns, last),
            rows,
            (*columns, last),
            after="The collector has a spend cap that stops before the request that would break it. An archive of"
            " tweets, or the synthetic source, costs nothing.",
        )
    ]


def _volumes(budget: Budget) -> list[Section]:
    steps, cap = budget.volume.steps, budget.assumptions.x_monthly_posts
    columns = [f"{step}{TIMES} ({number(budget.volume.typical * step)} a day)" for step in steps]
    rows = [
        (one.name, *(f"{dollars(month_usd(budget, one, step))}, {one.step(step).machine}" for step in steps))
        for one in budget.designs
    ]
    for name in x_costs(budget, budget.volume.typical):
        cells = []
        for step in steps:
            tweets = budget.volume.typical * step
            over = name != "counts only" and tweets * DAYS > cap
            cells.append(f"{dollars(x_costs(budget, tweets)[name])}{' (over the cap)' if over else ''}")
        rows.append((f"X API: {name}", *cells))
    return [
        Section(
            "More tweets",
            "US$ a month at the end of the first year, when the lake and the tables are fullest:",
            ("design", *columns),
            rows,
            tuple(columns),
            after="The machines for more tweets are judged, not measured. What grows is storage and the bytes that"
            f" queries scan, since the marts read all days. X's pay-per-use ends at {number(cap)} posts a month (a"
            " newer copy of its page says 3 million); above it there are only contracts, so the marked figures are"
            " arithmetic, not an offer.",
        )
    ]


def _exchange(budget: Budget) -> list[Section]:
    rates = sorted(budget.rates.values(), key=lambda one: one.rupiah)
    columns = [f"Rp {number(one.rupiah)}" for one in rates]
    wanted: list[tuple[str, Decimal]] = [("the report's design", budget.report_usd)]
    wanted += [(one.name, month_usd(budget, one)) for one in budget.designs if one.offered]
    wanted += [(f"X API: {name}", usd) for name, usd in x_costs(budget, budget.volume.typical).items()]
    return [
        Section(
            "Another exchange rate",
            "A month in rupiah; Google and X charge in dollars.",
            ("design", *columns),
            [(name, *(rupiah(usd * one.rupiah) for one in rates)) for name, usd in wanted],
            tuple(columns),
        )
    ]


def _sources(budget: Budget) -> list[Section]:
    return [
        Section(
            "Exchange rates and their sources",
            "",
            ("rate", "rupiah", "date", "basis", "source", "note"),
            [
                (name, number(one.rupiah), f"{one.date}", one.basis, one.source, one.note)
                for name, one in budget.rates.items()
            ],
            ("rupiah",),
        ),
        Section(
            "Prices and their sources",
            "",
            ("price", "US$ or share", "for", "region", "date", "basis", "source", "note"),
            [
                (name, number(one.value), one.unit, one.region, f"{one.date}", one.basis, one.source, one.note)
                for name, one in budget.prices.items()
            ],
            ("US$ or share",),
        ),
    ]
