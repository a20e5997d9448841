"""Tables of pages: their rows as values, so that a page can sort, filter and save them in either language."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["name", "english", "text", "id", "number", "day"]
Cell = str | int | datetime.date | None
Words = tuple[str, str]


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        title: what it is called, in Indonesian and in English.
        kind: what its cells hold: `name` (heads the row; may be blank), `text`, `english` (a text of our own in that
            language), `id`, `number` or `day`.
    """

    title: Words
    kind: Kind = "number"


@dataclass(frozen=True)
class PageTable:
    """A table of a page.

    Attributes:
        name: its name, and that of the file it is saved to: `<system>-<what>`.
        title: what it shows, in Indonesian and in English.
        noun: what a row is: the Indonesian noun, the English one, and its plural.
        columns: its columns.
        rows: its rows, in the order in which they are shown first.
        query: what gives all rows: `<dataset>.<table>`.
        total: the cells of a last row that is not part of the data.
        blank: what stands for a blank name, in Indonesian and in English.
        by: the column by which the rows behind a row are found (`serving.drill`); "": they are not.
        at: which cell holds that column's value, from 0.
    """

    name: str
    title: Words
    noun: tuple[str, str, str]
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    query: str = ""
    total: Sequence[Cell] = ()
    blank: Words = ("tanpa nama", "no name given")
    by: str = ""
    at: int = 0

    def to_json(self, first: int = 0, count: int | None = None) -> dict[str, Any]:
        """The table as values that JSON has.

        Args:
            first: the first row that is wanted, from 0.
            count: how many rows at most; None: all that follow.
        """
        rows = self.rows[first : None if count is None else first + count]
        return {
            "name": self.name,
            "kinds": [column.kind for column in self.columns],
            "titles": [list(column.title) for column in self.columns],
            "blank": list(self.blank),
            "query": self.query,
            "total": len(self.rows),
            "rows": [[_plain(cell) for cell in row] for row in rows],
            "by": self.by,
            "at": self.at,
        }


def _plain(cell: Cell) -> str | int | None:
    return cell.isoformat() if isinstance(cell, datetime.date) else cell
