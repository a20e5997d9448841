"""What the report's lines and the designs cost, in US dollars, unrounded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from budget.format import number
from budget.model import MB_IN_GB, Budget, Design, ReportLine, Term

MONTHS = 12
DAYS = Decimal(365) / MONTHS  # of a month; with 24 hours a day they are the 730 hours of Google's calculator
KB_IN_GB = MB_IN_GB * 1024
GB_IN_TIB = 1024
SCAN_MINIMUM_MB = 10  # BigQuery bills at least this much for each table that a query reads
DISK_STEP = 10  # disks are bought in steps of so many GB
# How a month is compared with the report's: in dollars, in what is paid today, and should the rupiah get weaker.
SHARES = ("same rupiah", "today's rupiah", "10 % weaker")
WEAKER = Decimal("0.10")
# Free in us-central1: https://cloud.google.com/free/docs/free-cloud-features
FREE_STORAGE_GB = 5
FREE_WRITES = 5_000
FREE_READS = 50_000
FREE_BIGQUERY_GB = 10
FREE_QUERY_TIB = 1


@dataclass(frozen=True)
class Cost:
    """A line of a month's bill."""

    name: str
    detail: str
    usd: Decimal


def term_usd(budget: Budget, term: Term) -> Decimal:
    """The cost of a term: its price times its quantities."""
    return budget.usd(term.price, *(quantity.amount for quantity in term.times))


def line_usd(budget: Budget, line: ReportLine) -> Decimal:
    """The cost of a line: the sum of its terms."""
    return sum((term_usd(budget, term) for term in line.terms), Decimal(0))


def month_costs(budget: Budget, design: Design, volume: int = 1) -> list[Cost]:
    """The lines of a month's bill at the end of the first year, when the lake and the tables are fullest.

    Args:
        budget: prices, volumes and assumptions.
        design: the design.
        volume: tweets a day, in multiples of the typical volume.
    """
    step, assumptions = design.step(volume), budget.assumptions
    machine, hours = budget.machines[step.machine], step.hours * DAYS
    tweets = budget.volume.typical * volume
    raw_gb = tweets * 365 * budget.volume.raw_kb / KB_IN_GB
    cleaned_gb = budget.volume.cleaned_mb_a_year * volume / MB_IN_GB
    bigquery_gb = cleaned_gb * assumptions.bigquery_copies
    scan_gb = max(cleaned_gb, Decimal(SCAN_MINIMUM_MB) / MB_IN_GB)
    query_tib = DAYS * assumptions.bigquery_scans * scan_gb / GB_IN_TIB
    writes = DAYS * (assumptions.daily_writes + design.stream * assumptions.stream_writes)
    reads = DAYS * (assumptions.daily_reads + design.stream * assumptions.stream_reads)
    disk = disk_gb(budget, design, volume)

    hourly = budget.usd("e2_vcpu", machine.vcpu) + budget.usd("e2_memory", machine.gb)
    factor = (1 + machine.custom * budget.prices["custom_premium"].value) * (
        1 - design.spot * budget.prices["spot_discount"].value
    )
    return [
        Cost("Machine", f"{step.machine}, {design.provisioning}, {number(hours, 1)} h", hourly * factor * hours),
        Cost(
            "External address",
            f"{number(hours, 1)} h",
            budget.usd("ip_spot" if design.spot else "ip_standard", hours),
        ),
        Cost("Disk", f"{disk} GB, balanced", budget.usd("disk_balanced", disk)),
        _spark(budget, design),
        Cost(
            "Cloud Storage",
            f"{number(raw_gb, 2)} GB, {number(writes, 0)} writes and lists, and {number(reads, 0)} reads, of which"
            f" {FREE_STORAGE_GB} GB, {number(FREE_WRITES)} and {number(FREE_READS)} are free",
            budget.usd("gcs_standard", _billable(raw_gb, FREE_STORAGE_GB))
            + budget.usd("gcs_class_a", _billable(writes, FREE_WRITES))
            + budget.usd("gcs_class_b", _billable(reads, FREE_READS)),
        ),
        Cost(
            "BigQuery",
            f"{number(bigquery_gb, 2)} GB and {number(query_tib, 2)} TiB scanned, of which {FREE_BIGQUERY_GB} GB and"
            f" {FREE_QUERY_TIB} TiB are free",
            budget.usd("bigquery_storage", _billable(bigquery_gb, FREE_BIGQUERY_GB))
            + budget.usd("bigquery_query", _billable(query_tib, FREE_QUERY_TIB)),
        ),
    ]


def month_usd(budget: Budget, design: Design, volume: int = 1) -> Decimal:
    """The sum of a month's bill, without the X API.

    Args:
        budget: prices, volumes and assumptions.
        design: the design.
        volume: tweets a day, in multiples of the typical volume.
    """
    return sum((cost.usd for cost in month_costs(budget, design, volume)), Decimal(0))


def shares(budget: Budget, design: Design) -> dict[str, Decimal]:
    """A month of a design as a share of the report's, by each of SHARES."""
    usd = month_usd(budget, design)
    paid = budget.rupiah(usd) / budget.report.total_month
    return dict(zip(SHARES, (usd / budget.report_usd, paid, paid * (1 + WEAKER)), strict=True))


def offered_within(budget: Budget, kind: str) -> list[str]:
    """The names of the designs that are offered and cost at most the limit, by one of SHARES."""
    return [design.name for design in budget.designs if design.offered and shares(budget, design)[kind] <= budget.limit]


def disk_gb(budget: Budget, design: Design, volume: int = 1) -> int:
    """GB of disk a design needs at the end of the first year, in steps of 10.

    Args:
        budget: prices, volumes and assumptions.
        design: the design.
        volume: tweets a day, in multiples of the typical volume.
    """
    assumptions = budget.assumptions
    topic_kb = assumptions.kafka_days * budget.volume.typical * volume * budget.volume.raw_kb
    need = assumptions.program_gb + topic_kb / KB_IN_GB
    if design.search:
        index_mb = assumptions.index_factor * budget.volume.cleaned_mb_a_year * volume
        need += assumptions.search_program_gb + index_mb / MB_IN_GB
    return int((need / DISK_STEP).to_integral_value(ROUND_CEILING)) * DISK_STEP


def memory_mb(budget: Budget, parts: Sequence[str]) -> int:
    """The resident memory of programs together, in MB."""
    return sum(budget.memory[part].mb for part in parts)


def fits(budget: Budget, machine: str, parts: Sequence[str]) -> bool:
    """Whether programs fit into a machine's memory with room to spare.

    Args:
        budget: memory of the programs and the machines, and the share of a machine that may be held.
        machine: the machine's type.
        parts: the programs that run at once.
    """
    return memory_mb(budget, parts) <= budget.machines[machine].gb * MB_IN_GB * budget.memory_share


def x_costs(budget: Budget, tweets: int) -> dict[str, Decimal]:
    """A month of the X API for so many tweets a day.

    Returns:
        The cost of each way to read them, the dearest first. Authors cost at most this much, a user read for each
        tweet: X charges the same user only once a day.
    """
    posts = budget.usd("x_post", tweets, DAYS)
    return {
        "tweets with their authors": posts + budget.usd("x_user", tweets, DAYS),
        "tweets without authors": posts,
        "counts only": budget.usd("x_count", budget.assumptions.x_count_requests, DAYS),
    }


def _billable(amount: Decimal, free: int) -> Decimal:
    return max(amount - free, Decimal(0))


def _spark(budget: Budget, design: Design) -> Cost:
    if design.spark == "sail":
        return Cost("Spark", "Sail, on the machine", Decimal(0))
    assumptions = budget.assumptions
    hours = DAYS * assumptions.spark_minutes / 60
    return Cost(
        "Spark",
        f"Dataproc Serverless, {assumptions.spark_dcu} DCU and {number(assumptions.spark_shuffle_gb)} GB,"
        f" {number(hours, 2)} h",
        budget.usd("serverless_dcu", assumptions.spark_dcu, hours)
        + budget.usd("serverless_shuffle", assumptions.spark_shuffle_gb, hours / (DAYS * 24)),
    )
