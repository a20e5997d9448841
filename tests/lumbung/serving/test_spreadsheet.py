"""CSV for spreadsheets: whatever is in the data."""

import csv
import io

import pytest

from lumbung.serving.spreadsheet import csv_text
from support.report_data import HOSTILE


def read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


def test_texts_numbers_and_nothing_come_back_as_they_were():
    rows = [[text, number, None] for number, text in enumerate(HOSTILE)]
    text = csv_text(["a", "b", "c"], rows)
    assert text.startswith("\ufeffa,b,c\r\n")
    assert read(text) == [["a", "b", "c"], *([text, f"{number}", ""] for text, number, _ in rows)]


@pytest.mark.parametrize("formula", ["=HYPERLINK(1)", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"])
def test_a_text_that_would_be_a_formula_is_marked_as_text_and_a_number_is_not(formula):
    assert read(csv_text([formula], [[formula, -1]])) == [[f"'{formula}"], [f"'{formula}", "-1"]]
