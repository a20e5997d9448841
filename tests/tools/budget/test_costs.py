"""The report's budget comes out to the cent; what is offered is cheap, fits and is added up correctly."""

from decimal import Decimal

import pytest

from budget import model, report
from budget.costs import DAYS, disk_gb, fits, line_usd, memory_mb, month_costs, month_usd, x_costs
from budget.format import cents

FIGURES = model.load()
DESIGNS = {design.name: design for design in FIGURES.designs}
OFFERED = [design for design in FIGURES.designs if design.offered]


def computed(budget):
    return {line.name: budget.rupiah(line_usd(budget, line), "report") for line in budget.report.lines}


def test_each_line_of_the_report_comes_out_to_the_cent(reported):
    assert {name: f"{cents(value)}" for name, value in computed(FIGURES).items()} == reported
    assert {line.name: f"{line.reported:.2f}" for line in FIGURES.report.lines} == reported


def test_the_printed_lines_are_a_cent_more_than_the_total_and_the_unrounded_ones_make_it(reported):
    assert sum(map(Decimal, reported.values())) == Decimal("417514.49")
    assert cents(sum(computed(FIGURES).values())) == FIGURES.report.total_month == Decimal("417514.48")
    assert FIGURES.report.total_month * 12 == FIGURES.report.total_year == Decimal("5010173.76")


def test_no_other_whole_rate_gives_the_report(changed_figures):
    for rate in ("15718", "15720"):
        folder = changed_figures("prices.yaml", "rupiah: 15719", f"rupiah: {rate}")
        assert cents(sum(computed(model.load(folder)).values())) != FIGURES.report.total_month


def test_hours_of_the_report_are_those_of_a_month():
    hours = FIGURES.report.lines[0].terms[0].times[0].amount
    assert hours == round(DAYS * 24, 9) == 730


@pytest.mark.parametrize("design", OFFERED, ids=lambda design: design.name)
def test_what_is_offered_fits_and_costs_at_most_two_fifths_in_the_same_rupiah(design):
    assert month_usd(FIGURES, design) <= FIGURES.report_usd * Decimal("0.40")
    assert all(fits(FIGURES, design.step(1).machine, services) for services in design.memory.values())


def test_the_page_says_which_designs_are_within_two_fifths_at_which_rate():
    """By hand: dollars times rupiah over the report's month. Streaming is above them when the rupiah gets weaker."""
    within = {
        rate: [design.name for design in OFFERED if month_usd(FIGURES, design) * rate <= Decimal("417514.48") * 2 / 5]
        for rate in (15719, 17917, Decimal("17917") * 11 / 10)
    }
    daily = ["daily-sail", "daily-serverless"]
    assert list(within.values()) == [[*daily, "stream", "stream-search"], [*daily, "stream"], daily]
    text = " ".join(report.pages(FIGURES)["budget.md"].split())
    assert (
        "Within 40 %: same rupiah (daily-sail, daily-serverless, stream, stream-search); today's rupiah"
        " (daily-sail, daily-serverless, stream); 10 % weaker (daily-sail, daily-serverless)." in text
    )


def test_programs_as_the_report_ships_them_do_not_fit_its_machine():
    memory = FIGURES.report_memory
    assert memory_mb(FIGURES, memory.parts) > FIGURES.machines[memory.machine].gb * 1024


def test_a_design_by_hand():
    costs = {cost.name: round(float(cost.usd), 6) for cost in month_costs(FIGURES, DESIGNS["stream"])}
    assert costs == {
        "Machine": round((0.5 * 0.02181159 + 2.5 * 0.00292353) * 1.05 * 0.4 * 730, 6),
        "External address": round(730 * 0.0025, 6),
        "Disk": 1.0,
        "Spark": 0.0,
        "Cloud Storage": round(
            (1750 * 10 * 365 / 1024**2 - 5) * 0.02
            + ((100 + 1728) * 365 / 12 - 5000) * 0.005 / 1000
            + ((300 + 3600) * 365 / 12 - 50000) * 0.0004 / 1000,
            6,
        ),
        "BigQuery": 0.0,
    }


def test_serverless_by_hand():
    spark = {cost.name: cost.usd for cost in month_costs(FIGURES, DESIGNS["daily-serverless"])}["Spark"]
    hours = 5 / 60 * 365 / 12
    assert float(spark) == pytest.approx(12 * hours * 0.06 + 1200 * hours / 730 * 0.04)


def test_the_x_api_by_hand():
    assert [float(usd) for usd in x_costs(FIGURES, 1750).values()] == pytest.approx(
        [1750 * 365 / 12 * 0.015, 1750 * 365 / 12 * 0.005, 3 * 365 / 12 * 0.005]
    )


@pytest.mark.parametrize("design", FIGURES.designs, ids=lambda design: design.name)
def test_more_tweets_cost_more_and_free_tiers_end(design):
    once, ten, hundred = (month_usd(FIGURES, design, step) for step in (1, 10, 100))
    assert once < ten < hundred
    queries = {step: month_costs(FIGURES, design, step)[-1].usd for step in (1, 10, 100)}
    assert queries[1] == queries[10] == 0 < queries[100]


def test_disks_grow_with_the_volume():
    assert [disk_gb(FIGURES, DESIGNS["stream-search"], step) for step in (1, 10, 100)] == [10, 20, 70]


def test_a_weaker_rupiah_costs_more(changed_figures):
    usd = month_usd(FIGURES, DESIGNS["stream"])
    dearer = model.load(changed_figures("prices.yaml", "rupiah: 17917", "rupiah: 20000"))
    assert dearer.rupiah(usd) == usd * 20000 > FIGURES.rupiah(usd)
