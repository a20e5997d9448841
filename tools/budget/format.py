"""Numbers and money as Indonesians write them, and the tables they are shown in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")


def number(value: Decimal | int, places: int | None = None) -> str:
    """A number in Indonesian notation, 1.234,5; with all its digits if `places` is not given."""
    decimal = Decimal(value)
    rounded = decimal.normalize() if places is None else decimal.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    return f"{rounded:,f}".translate(str.maketrans(",.", ".,"))


def rupiah(value: Decimal) -> str:
    """Rupiah in Indonesian notation: Rp 417.514,48."""
    return f"Rp {number(value, 2)}"


def dollars(value: Decimal, places: int | None = 2) -> str:
    """US dollars in Indonesian notation: US$ 26,56."""
    return f"US$ {number(value, places)}"


def percent(share: Decimal) -> str:
    """A share as a percentage with one decimal."""
    return f"{number(share * 100, 1)} %"


def cents(value: Decimal) -> Decimal:
    """An amount rounded to the cent, halves up."""
    return value.quantize(CENT, ROUND_HALF_UP)


@dataclass(frozen=True)
class Section:
    """A table with its heading and text; `numbers` are the columns aligned right."""

    title: str
    text: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    numbers: tuple[str, ...] = ()
    after: str = ""
    level: int = 2

    def markdown(self) -> list[str]:
        """The section's lines of Markdown, after an empty one."""
        dashes = ("---:" if column in self.numbers else "---" for column in self.columns)
        return [
            "",
            f"{'#' * self.level} {self.title}",
            "",
            *([self.text, ""] if self.text else []),
            f"| {' | '.join(self.columns)} |",
            f"|{'|'.join(dashes)}|",
            *(f"| {' | '.join(row)} |" for row in self.rows),
            *(["", self.after] if self.after else []),
        ]
