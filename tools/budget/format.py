"""Numbers and money as Indonesians write them, and the tables they are shown in."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")
WIDTH = 120


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
    """A table with its heading and text.

    Attributes:
        title: the heading.
        text: what stands before the table.
        columns: the table's header.
        rows: as many cells each.
        numbers: the columns that are aligned right.
        after: what stands after the table.
        level: the heading's level.
        page: the page that shows it.
    """

    title: str
    text: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    numbers: tuple[str, ...] = ()
    after: str = ""
    level: int = 2
    page: str = "budget.md"

    def markdown(self) -> list[str]:
        """The section's lines of Markdown, after an empty one; a table too wide for a line becomes a list."""
        dashes = ("---:" if column in self.numbers else "---" for column in self.columns)
        table = [f"| {' | '.join(self.columns)} |", f"|{'|'.join(dashes)}|"]
        table += [f"| {' | '.join(row)} |" for row in self.rows]
        if max(map(len, table)) > WIDTH:
            table = wrapped("\n".join(self._item(row) for row in self.rows))
        return [
            "",
            f"{'#' * self.level} {self.title}",
            "",
            *([*wrapped(self.text), ""] if self.text else []),
            *table,
            *(["", *wrapped(self.after)] if self.after else []),
        ]

    def _item(self, row: tuple[str, ...]) -> str:
        cells = [
            cell if cell.startswith(column) else f"{column}: {cell}"
            for column, cell in zip(self.columns[1:], row[1:], strict=True)
            if cell
        ]
        return f"- **{row[0]}**: {'; '.join(cells)}"


def wrapped(text: str) -> list[str]:
    """Markdown paragraphs and list items as lines of at most `WIDTH` characters."""
    lines = []
    for paragraph in text.splitlines():
        # A line that starts with a sign would be an item of a list.
        glued = re.sub(r" ([-+*]) ", "\0\\1 ", paragraph)
        indent = "  " if paragraph.startswith("- ") else ""
        folded = textwrap.wrap(glued, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
        lines += [line.replace("\0", " ") for line in folded] or [""]
    return lines
