"""The budget as it is shown: its tables, its pages and JSON. US dollars are rounded here and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from budget.costs import (
    DAYS,
    MONTHS,
    SHARES,
    WEAKER,
    fits,
    line_usd,
    memory_mb,
    month_costs,
    month_usd,
    offered_within,
    shares,
    term_usd,
    x_costs,
)
from budget.format import Section, cents, dollars, number, percent, rupiah, wrapped
from budget.model import MB_IN_GB, Budget, Term

TIMES = "\N{MULTIPLICATION SIGN}"
PAGE, DESIGNS, PRICES = "budget.md", "budget-designs.md", "budget-prices.md"
HEADS = {
    PAGE: (
        "Budget",
        "What the Cilvest service costs a month and a year: the report of 2 January 2023 recomputed, then the same"
        f" service on the designs that Lumbung offers. [What each design is made of]({DESIGNS}) and"
        f" [the prices and exchange rates]({PRICES}) have a page each; all three are written by `make budget`. The"
        " figures behind them, each with unit, region, source and date, are in [tools/budget](../../tools/budget); the"
        " drawing is [infra/lumbung.svg](../../infra/lumbung.svg). Numbers are written as in Indonesia: Rp 417.514,48.",
    ),
    DESIGNS: (
        "Budget: the designs line by line",
        f"A month of each design of the [budget]({PAGE}), at today's exchange rate. Written by `make budget`.",
    ),
    PRICES: (
        "Budget: prices and exchange rates",
        f"What the [budget]({PAGE}) is computed from. Written by `make budget`.",
    ),
}


def sections(budget: Budget) -> list[Section]:
    """The tables of the budget, in order."""
    chapters: list[Callable[[Budget], list[Section]]] = [
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
    return [section for chapter in chapters for section in chapter(budget)]


def pages(budget: Budget) -> dict[str, str]:
    """The pages under docs/reference by their names."""
    lines = {name: [f"# {title}", "", *wrapped(text)] for name, (title, text) in HEADS.items()}
    for section in sections(budget):
        lines[section.page] += section.markdown()
    return {name: "\n".join(page) + "\n" for name, page in lines.items()}


def markdown(budget: Budget) -> str:
    """All pages, one after the other."""
    return "\n".join(pages(budget).values())


def to_json(budget: Budget) -> dict[str, Any]:
    """The budget for programs; money as strings, so that no digit is lost."""
    report, report_rate = budget.report, budget.report.rate
    return {
        "report": {
            "rate": str(budget.rates[report_rate].rupiah),
            "month": str(report.total_month),
            "year": str(report.total_year),
            "sum_of_lines": str(sum(line.reported for line in report.lines)),
            "lines": [
                {
                    "name": line.name,
                    "reported": str(line.reported),
                    "computed": str(cents(budget.rupiah(line_usd(budget, line), report_rate))),
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
                "share_of_report": str(shares(budget, design)[SHARES[0]]),
                "share_in_todays_rupiah": str(shares(budget, design)[SHARES[1]]),
                "share_in_weaker_rupiah": str(shares(budget, design)[SHARES[2]]),
            }
            for design in budget.designs
        ],
        "x_api_month_usd": {
            str(step): {name: str(usd) for name, usd in x_costs(budget, budget.volume.typical * step).items()}
            for step in budget.volume.steps
        },
        "rates": {name: str(rate.rupiah) for name, rate in budget.rates.items()},
    }


def _summary(budget: Budget) -> list[Section]:
    rows = [
        (
            "the report, 2 January 2023",
            dollars(budget.report_usd),
            rupiah(budget.report.total_month),
            rupiah(budget.report.total_year),
            *(percent(Decimal(1)) for _ in SHARES),
        )
    ]
    for design in budget.designs:
        usd = month_usd(budget, design)
        name = design.name if design.offered else f"{design.name} (comparison)"
        rows.append((name, *_month_and_year(budget, usd), *map(percent, shares(budget, design).values())))
    for name, usd in x_costs(budget, budget.volume.typical).items():
        rows.append((f"plus the X API: {name}", *_month_and_year(budget, usd), *("" for _ in SHARES)))
    now = budget.rates["now"]
    within = "; ".join(f"{kind} ({', '.join(offered_within(budget, kind)) or 'none'})" for kind in SHARES)
    return [
        Section(
            "In short",
            f"At {number(budget.volume.typical)} tweets a day (the report: {number(budget.volume.low)} to"
            f" {number(budget.volume.high)}), in us-central1, at the newest rate found (Rp {number(now.rupiah)},"
            f" {now.date}). *Same rupiah* compares dollars, *today's rupiah* what is paid, *{SHARES[2]}* the same if a"
            f" dollar costs {number(WEAKER * 100)} % more. Within {number(budget.limit * 100)} %: {within}.",
            ("design", "US$ a month", "a month", "a year", *SHARES),
            rows,
            ("US$ a month", "a month", "a year", *SHARES),
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
    amounts = [f"{number(quantity.amount)} {quantity.unit}" for quantity in term.times]
    return f" {TIMES} ".join([*amounts, dollars(budget.prices[term.price].value, None)])


def _designs(budget: Budget) -> list[Section]:
    tables = [
        Section(
            "The designs",
            "In all of them a timer starts the day's DAG, so that no scheduler runs all day; Looker Studio is free, and"
            " traffic between the machine, Cloud Storage and BigQuery stays in one region, where it is free too.",
            ("design", "what it is", "Spark", "search server", "machine"),
            [
                (
                    design.name,
                    design.title,
                    "Sail" if design.spark == "sail" else "Dataproc Serverless",
                    "yes" if design.search else "no",
                    f"{design.step(1).machine}, {design.provisioning}",
                )
                for design in budget.designs
            ],
        )
    ]
    for design in budget.designs:
        lines = [(cost.name, cost.detail, cost.usd) for cost in month_costs(budget, design)]
        lines.append(("a month", "", month_usd(budget, design)))
        rows = [(name, detail, dollars(usd), rupiah(budget.rupiah(usd))) for name, detail, usd in lines]
        columns = ("line", "quantity", "US$", "rupiah")
        text = f"{design.title}. {design.note}"
        tables.append(Section(design.name, text, columns, rows, ("US$", "rupiah"), page=DESIGNS))
    return tables


def _memory(budget: Budget) -> list[Section]:
    report = budget.report_memory
    loads = [("the report, programs as shipped", "all day", report.machine, report.parts)]
    for design in budget.designs:
        loads += [(design.name, phase, design.step(1).machine, parts) for phase, parts in design.memory.items()]
    rows = []
    for name, phase, machine, parts in loads:
        need, size = memory_mb(budget, parts), budget.machines[machine].gb * MB_IN_GB
        answer = "yes" if fits(budget, machine, parts) else "no"
        rows.append((name, phase, machine, number(need), number(size), percent(need / size), answer))
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
            ("program", "MB", "basis", "what"),
            [(name, number(part.mb), part.basis, part.what) for name, part in budget.memory.items()],
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
    for name, share, remark in kinds:
        usd = full * (1 - share)
        rows.append((name, percent(share), dollars(usd), percent(usd / budget.report_usd), remark))
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
        usds = [costs[name] for costs in by_level]
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
        (design.name, *(f"{dollars(month_usd(budget, design, step))}, {design.step(step).machine}" for step in steps))
        for design in budget.designs
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
    rates = sorted(rate.rupiah for rate in budget.rates.values())
    columns = [f"Rp {number(rate)}" for rate in rates]
    months: list[tuple[str, Decimal]] = [("the report's design", budget.report_usd)]
    months += [(design.name, month_usd(budget, design)) for design in budget.designs if design.offered]
    months += [(f"X API: {name}", usd) for name, usd in x_costs(budget, budget.volume.typical).items()]
    return [
        Section(
            "Another exchange rate",
            "A month in rupiah; Google and X charge in dollars.",
            ("design", *columns),
            [(name, *(rupiah(usd * rate) for rate in rates)) for name, usd in months],
            tuple(columns),
            page=PRICES,
        )
    ]


def _sources(budget: Budget) -> list[Section]:
    return [
        Section(
            "Exchange rates and their sources",
            "",
            ("rate", "rupiah", "date", "basis", "source", "note"),
            [
                (name, number(rate.rupiah), f"{rate.date}", rate.basis, rate.source, rate.note)
                for name, rate in budget.rates.items()
            ],
            ("rupiah",),
            page=PRICES,
        ),
        Section(
            "Prices and their sources",
            "",
            ("price", "US$ or share", "for", "region", "date", "basis", "source", "note"),
            [
                (
                    name,
                    number(price.value),
                    price.unit,
                    price.region,
                    f"{price.date}",
                    price.basis,
                    price.source,
                    price.note,
                )
                for name, price in budget.prices.items()
            ],
            ("US$ or share",),
            page=PRICES,
        ),
    ]
