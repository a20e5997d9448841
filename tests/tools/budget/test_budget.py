"""The report's budget comes out to the cent; what is offered is cheap and fits; the page is what is generated."""

import json
import shutil
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner

import budget as budgets
from lumbung.cli.main import app
from lumbung.core.errors import LumbungError

GIVEN = budgets.load()
DESIGNS = {one.name: one for one in GIVEN.designs}
OFFERED = [one for one in GIVEN.designs if one.offered]
PAGE = Path(__file__).parents[3] / "docs/budget.md"
REPORTED = {  # as the report prints them
    "Virtual Machine Compute Engine": "384473.67",
    "Virtual Machine Dataproc (master)": "3160.06",
    "Virtual Machine Dataproc (worker)": "9480.17",
    "Cloud Storage": "805.91",
    "BigQuery": "0.00",
    "Dataproc": "3772.56",
    "Persistent Disk Compute Engine": "15719.00",
    "Persistent Disk Dataproc": "103.12",
}

each_design = pytest.mark.parametrize("design", GIVEN.designs, ids=lambda one: one.name)


def computed(budget):
    return {line.name: budget.rupiah(budgets.line_usd(budget, line), "report") for line in budget.report.lines}


def changed(tmp_path, file, old, new):
    folder = tmp_path / "budget"
    shutil.copytree(budgets.FOLDER, folder)
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1))
    return folder


def test_each_line_of_the_report_comes_out_to_the_cent():
    assert {name: f"{budgets.cents(value)}" for name, value in computed(GIVEN).items()} == REPORTED
    assert {line.name: f"{line.reported:.2f}" for line in GIVEN.report.lines} == REPORTED


def test_the_printed_lines_are_a_cent_more_than_the_total_and_the_unrounded_ones_make_it():
    assert sum(map(Decimal, REPORTED.values())) == Decimal("417514.49")
    assert budgets.cents(sum(computed(GIVEN).values())) == GIVEN.report.total_month == Decimal("417514.48")
    assert GIVEN.report.total_month * 12 == GIVEN.report.total_year == Decimal("5010173.76")


def test_no_other_whole_rate_gives_the_report(tmp_path):
    for rate in ("15718", "15720"):
        folder = changed(tmp_path / rate, "prices.yaml", "rupiah: 15719", f"rupiah: {rate}")
        assert budgets.cents(sum(computed(budgets.load(folder)).values())) != GIVEN.report.total_month


def test_hours_of_the_report_are_those_of_a_month():
    hours = GIVEN.report.lines[0].terms[0].times[0].amount
    assert hours == round(budgets.DAYS * 24, 9) == 730


@pytest.mark.parametrize("design", OFFERED, ids=lambda one: one.name)
def test_what_is_offered_costs_at_most_two_fifths_and_fits(design):
    usd = budgets.month_usd(GIVEN, design)
    assert usd <= GIVEN.report_usd * Decimal("0.40")
    assert GIVEN.rupiah(usd) <= Decimal("417514.48") * Decimal("0.40")
    assert all(budgets.fits(GIVEN, design.step(1).machine, parts) for parts in design.memory.values())


def test_both_ways_of_search_and_of_spark_are_offered():
    assert {(one.search, one.stream) for one in OFFERED} >= {(False, False), (False, True), (True, True)}
    assert {one.spark for one in OFFERED} == {"sail", "serverless"}


@each_design
def test_memory_counts_what_the_design_says_it_runs(design):
    for phase, parts in design.memory.items():
        assert {"os", "kafka", "collect", "ship", "land"} <= set(parts)
        assert ("elasticsearch" in parts) == design.search
        assert ("run" in parts) == ("run" in phase)
        assert ("sail" in parts) == (design.spark == "sail" and "run" in parts)


def test_programs_as_the_report_ships_them_do_not_fit_its_machine():
    given = GIVEN.report_memory
    assert budgets.memory_mb(GIVEN, given.parts) > GIVEN.machines[given.machine].gb * 1024


@pytest.mark.parametrize("name", [one for one in GIVEN.machines if "custom" in one])
def test_custom_machines_are_as_big_as_their_names_say(name):
    machine, megabytes = GIVEN.machines[name], int(name.rsplit("-", 1)[1])
    assert machine.custom
    assert megabytes == machine.gb * 1024
    assert megabytes % 256 == 0
    assert 2048 <= megabytes <= 4096  # of e2-custom-small


def test_a_design_by_hand():
    costs = {one.name: round(float(one.usd), 6) for one in budgets.costs(GIVEN, DESIGNS["stream"])}
    assert costs == {
        "Machine": round((0.5 * 0.02181159 + 2.5 * 0.00292353) * 1.05 * 0.4 * 730, 6),
        "External address": round(730 * 0.0025, 6),
        "Disk": 1.0,
        "Spark": 0.0,
        "Cloud Storage": round(
            (1750 * 10 * 365 / 1024**2 - 5) * 0.02 + ((100 + 576) * 365 / 12 - 5000) * 0.005 / 1000, 6
        ),
        "BigQuery": 0.0,
    }


def test_serverless_by_hand():
    spark = {one.name: one.usd for one in budgets.costs(GIVEN, DESIGNS["daily-serverless"])}["Spark"]
    hours = 5 / 60 * 365 / 12
    assert float(spark) == pytest.approx(12 * hours * 0.06 + 1200 * hours / 730 * 0.04)


def test_the_x_api_by_hand():
    assert [float(one) for one in budgets.x_costs(GIVEN, 1750).values()] == pytest.approx(
        [1750 * 365 / 12 * 0.015, 1750 * 365 / 12 * 0.005, 3 * 365 / 12 * 0.005]
    )


@each_design
def test_more_tweets_cost_more_and_free_tiers_end(design):
    once, ten, hundred = (budgets.month_usd(GIVEN, design, step) for step in (1, 10, 100))
    assert once < ten < hundred
    queries = {step: budgets.costs(GIVEN, design, step)[-1].usd for step in (1, 10, 100)}
    assert queries[1] == queries[10] == 0 < queries[100]


def test_disks_grow_with_the_volume():
    assert [budgets.disk_gb(GIVEN, DESIGNS["stream-search"], step) for step in (1, 10, 100)] == [10, 20, 70]


def test_a_weaker_rupiah_costs_more(tmp_path):
    usd = budgets.month_usd(GIVEN, DESIGNS["stream"])
    dearer = budgets.load(changed(tmp_path, "prices.yaml", "rupiah: 17917", "rupiah: 20000"))
    assert dearer.rupiah(usd) == usd * 20000 > GIVEN.rupiah(usd)


@pytest.mark.parametrize(
    ("value", "text"),
    [("417514.48", "Rp 417.514,48"), ("0", "Rp 0,00"), ("0.005", "Rp 0,01"), ("5010173.7649", "Rp 5.010.173,76")],
)
def test_rupiah_are_written_as_in_indonesia(value, text):
    assert budgets.rupiah(Decimal(value)) == text


def test_all_digits_of_a_price_are_shown():
    assert budgets.number(Decimal("0.02181159")) == "0,02181159"
    assert budgets.number(Decimal("1200")) == "1.200"


def test_every_figure_has_a_source():
    assert all(one.source and one.region and one.unit for one in GIVEN.prices.values())
    assert all(one.source for one in GIVEN.rates.values())


def test_the_page_is_what_is_generated():
    assert PAGE.read_text() == budgets.markdown(GIVEN), "run: lumbung budget --markdown > docs/budget.md"


def test_the_tables_are_whole():
    for section in budgets.sections(GIVEN):
        assert set(section.numbers) <= set(section.columns)
        assert {len(row) for row in section.rows} == {len(section.columns)}
        assert not any("|" in cell for row in section.rows for cell in row)


def test_the_command_prints_json_tables_and_the_page():
    found = json.loads(CliRunner().invoke(app, ["budget", "--json"]).stdout)
    assert found["report"]["sum_of_lines"] == "417514.49"
    assert found["report"]["month"] == "417514.48"
    assert {line["name"]: line["computed"] for line in found["report"]["lines"]} == REPORTED
    assert all(Decimal(one["share_in_todays_rupiah"]) <= Decimal("0.4") for one in found["designs"] if one["offered"])
    assert "Rp 417.514,48" in CliRunner().invoke(app, ["budget"]).stdout
    assert CliRunner().invoke(app, ["budget", "--markdown"]).stdout == PAGE.read_text()


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("report.yaml", "price: dataproc", "price: dataprok", "no such price: dataprok"),
        ("designs.yaml", "machine: e2-small, hours", "machine: e2-tiny, hours", "no such machine: e2-tiny"),
        ("designs.yaml", "[os, kafka, collect", "[os, kafla, collect", "no such part: kafla"),
        ("prices.yaml", "value: 0.02181159", "value: cheap", "e2_vcpu"),
        ("prices.yaml", "    region: us-central1\n", "", "region"),
        ("report.yaml", "lines:", "lines: [", "report.yaml"),
    ],
)
def test_a_wrong_figure_is_refused(tmp_path, file, old, new, said):
    with pytest.raises(LumbungError, match="the budget cannot be read") as error:
        budgets.load(changed(tmp_path, file, old, new))
    assert said in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(LumbungError, match=r"prices\.yaml"):
        budgets.load(tmp_path)
