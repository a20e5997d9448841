"""The page and the command print what the budget gives."""

import json
from decimal import Decimal
from pathlib import Path

from typer.testing import CliRunner

from budget import model, report
from lumbung.cli.main import app

FIGURES = model.load()
REFERENCE = Path(__file__).parents[3] / "docs/reference"


def test_the_pages_are_what_is_generated():
    assert {path.name: path.read_text() for path in REFERENCE.glob("budget*.md")} == report.pages(FIGURES), (
        "run: make budget"
    )


def test_the_tables_are_whole():
    for section in report.sections(FIGURES):
        assert set(section.numbers) <= set(section.columns)
        assert {len(row) for row in section.rows} == {len(section.columns)}
        assert not any("|" in cell for row in section.rows for cell in row)


def test_the_command_prints_json_tables_and_the_page(reported):
    budget = json.loads(CliRunner().invoke(app, ["budget", "--json"]).stdout)
    assert budget["report"]["sum_of_lines"] == "417514.49"
    assert budget["report"]["month"] == "417514.48"
    assert {line["name"]: line["computed"] for line in budget["report"]["lines"]} == reported
    for design in budget["designs"]:
        assert Decimal(design["share_of_report"]) <= Decimal("0.4") or not design["offered"]
        assert Decimal(design["share_in_weaker_rupiah"]) == Decimal(design["share_in_todays_rupiah"]) * Decimal("1.1")
    assert "Rp 417.514,48" in CliRunner().invoke(app, ["budget"]).stdout
    assert CliRunner().invoke(app, ["budget", "--markdown"]).stdout == report.markdown(FIGURES)
