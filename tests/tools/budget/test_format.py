"""Numbers and money are written as in Indonesia."""

from decimal import Decimal

import pytest

from budget.format import number, rupiah


@pytest.mark.parametrize(
    ("value", "text"),
    [("417514.48", "Rp 417.514,48"), ("0", "Rp 0,00"), ("0.005", "Rp 0,01"), ("5010173.7649", "Rp 5.010.173,76")],
)
def test_rupiah_are_written_as_in_indonesia(value, text):
    assert rupiah(Decimal(value)) == text


def test_all_digits_of_a_price_are_shown():
    assert number(Decimal("0.02181159")) == "0,02181159"
    assert number(Decimal("1200")) == "1.200"
