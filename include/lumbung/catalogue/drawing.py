"""The lineage of a table as an SVG: what its columns are made of on the left, what is made of them on the right.

A line joins two columns where the one is made of the other; a dashed line joins two tables where the rows of the one
are counted, chosen or grouped by the other. Letters have one width, so that boxes can be measured on the server.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from markupsafe import Markup

from lumbung.catalog.lineage import ColumnAddress
from lumbung.catalogue.entries import Entries, TableEntry

LETTER, ROW, HEAD, PADDING, GAP, BETWEEN = 7.25, 20, 40, 10, 14, 96
HEADER = ""
"""Stands for the head of a box in a line that joins tables."""
Link = Callable[[str, str], str]
"""From a table's address and a column's name, or "", to the address of its place in a page."""

SVG = Markup(
    '<svg class="lineage" width="{width}" height="{height}" viewBox="0 0 {width} {height}">{lines}{boxes}</svg>'
)
BOX = Markup(
    '<g class="{kind}"><rect class="box" x="{x}" y="{y}" width="{width}" height="{height}" rx="6"/>{texts}</g>'
)
HEAD_TEXT = Markup(
    '<text class="set" x="{x}" y="{above}">{dataset}</text><text class="table" x="{x}" y="{y}">{name}</text>'
)
ROW_TEXT = Markup('<text class="column" x="{x}" y="{y}" data-column="{column}">{name}</text>')
ANCHOR = Markup('<a href="{href}">{content}</a>')
LINE = Markup('<path class="{kind}" d="M{x1} {y1}C{middle} {y1} {middle} {y2} {x2} {y2}" data-ends="{ends}"/>')


@dataclass
class Box:
    """A table, or a source, and those of its columns that are drawn."""

    address: str
    columns: list[str]
    kind: str = "other"
    x: int = 0
    y: int = 0
    width: int = 0

    @property
    def dataset(self) -> str:
        """What stands small above the name."""
        return "source" if self.kind == "source" else self.address.partition(".")[0]

    @property
    def name(self) -> str:
        """The table's name, or what people call the source."""
        return self.address if self.kind == "source" else self.address.partition(".")[2]

    @property
    def height(self) -> int:
        """Of the head and the rows."""
        return HEAD + ROW * len(self.columns) + (PADDING // 2 if self.columns else 0)

    def middle(self, column: str) -> int:
        """The height at which a line meets a column, or the head."""
        if column == HEADER:
            return self.y + HEAD // 2
        return self.y + HEAD + ROW * self.columns.index(column) + ROW // 2


@dataclass
class _Side:
    """The boxes of a side; `ends` are pairs of a column there, or the head, and one of the table in the middle."""

    columns: defaultdict[str, dict[str, None]] = field(default_factory=lambda: defaultdict(dict))
    ends: list[tuple[ColumnAddress, str]] = field(default_factory=list)

    def join(self, address: str, column: str, own: str) -> None:
        """Draw a line between a column of another table, and one of this."""
        names = self.columns[address]
        if column != HEADER:
            names[column] = None
        self.ends.append((ColumnAddress(address, column), own))

    def boxes(self) -> list[Box]:
        """Boxes in the order of what they are joined to."""
        return [Box(address, list(names)) for address, names in self.columns.items()]


def lineage(entries: Entries, address: str, link: Link) -> Markup:
    """Draw the lineage of a table.

    Args:
        entries: all tables.
        address: the table.
        link: where each table and column is described.
    """
    table = entries.tables[address]
    own = Box(address, [column.name for column in table.contract.columns], "own")
    left, right = _upstream(table), _downstream(entries, table)
    sides = [left.boxes(), [own], right.boxes()]
    if table.lineage.source:
        sides[0][0].kind = "source"
    width, height = _place(sides)
    boxes = {box.address: box for side in sides for box in side}
    lines = [_line(boxes[end.table], end.column, own, column) for end, column in left.ends]
    lines += [_line(own, column, boxes[end.table], end.column) for end, column in right.ends]
    drawn = [_box(box, link) for side in sides for box in side]
    return SVG.format(width=width, height=height, lines=Markup("").join(lines), boxes=Markup("").join(drawn))


def _upstream(table: TableEntry) -> _Side:
    side = _Side()
    for name, column in table.lineage.columns.items():
        if column.field is not None:
            side.join(table.lineage.source or "", column.field, name)
        for origin in sorted(column.origins.columns):
            side.join(origin.table, origin.column, name)
        for counted in sorted(column.origins.counted):
            side.join(counted, HEADER, name)
    for address in sorted(table.lineage.conditions.tables - side.columns.keys()):
        side.join(address, HEADER, HEADER)
    return side


def _downstream(entries: Entries, table: TableEntry) -> _Side:
    side = _Side()
    for column in table.contract.columns:
        for reader in entries.made_of(table.address, column.name):
            side.join(reader.table, reader.column, column.name)
    for address in table.downstream:
        for name, made in entries.tables[address].lineage.columns.items():
            if table.address in made.origins.counted:
                side.join(address, name, HEADER)
        if address not in side.columns:
            side.join(address, HEADER, HEADER)
    return side


def _place(sides: list[list[Box]]) -> tuple[int, int]:
    """Give each box its place and size; returns those of the drawing."""
    heights = [sum(box.height + GAP for box in side) - GAP for side in sides if side]
    height, x = max(heights) + 2, 1
    for side in filter(None, sides):
        letters = max(len(text) for box in side for text in (box.name, *box.columns))
        width = max(math.ceil(LETTER * letters) + 2 * PADDING, 120)
        y = 1 + (height - 2 - (sum(box.height + GAP for box in side) - GAP)) // 2
        for box in side:
            box.x, box.y, box.width = x, y, width
            y += box.height + GAP
        x += width + BETWEEN
    return x - BETWEEN + 1, height


def _line(start: Box, start_column: str, end: Box, end_column: str) -> Markup:
    x1, x2 = start.x + start.width, end.x
    return LINE.format(
        kind="rows" if HEADER in (start_column, end_column) else "value",
        x1=x1,
        y1=start.middle(start_column),
        x2=x2,
        y2=end.middle(end_column),
        middle=(x1 + x2) // 2,
        ends=f"{start.address}.{start_column} {end.address}.{end_column}",
    )


def _box(box: Box, link: Link) -> Markup:
    x = box.x + PADDING
    head = HEAD_TEXT.format(x=x, above=box.y + 15, y=box.y + 32, dataset=box.dataset, name=box.name)
    rows: Iterable[tuple[str, Markup]] = [
        (
            column,
            ROW_TEXT.format(x=x, y=box.middle(column) + 4, column=f"{box.address}.{column}", name=column),
        )
        for column in box.columns
    ]
    if box.kind == "source":
        texts = [head, *(text for _, text in rows)]
    else:
        texts = [ANCHOR.format(href=link(box.address, ""), content=head)]
        texts += [ANCHOR.format(href=link(box.address, column), content=text) for column, text in rows]
    return BOX.format(
        kind=box.kind,
        x=box.x,
        y=box.y,
        width=box.width,
        height=box.height,
        texts=Markup("").join(texts),
    )
