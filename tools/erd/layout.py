"""Where the tables and their relations are in the picture.

A band for each data set and three columns. A table is at most one column away from the tables it refers to, so that
every relation runs through one of the two gutters between the columns and crosses no table. The middle column starts
half a row lower, so that horizontal lines from its tables and from those beside them are never at the same height.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from graphlib import TopologicalSorter

from erd.relations import Origin, Relation, relations
from lumbung.catalog.contract import Contract

# All lengths are in pixels.
COLUMNS = 3
ROW = 20
MARGIN = 20
PADDING = 20  # between a band and its tables
HEADING = 2 * ROW  # of a band
FOOT = 12  # the end of a relation at a table
LANE = 9  # between the lanes of a gutter
PORT = 6  # between lines that end at one row
FONT_SIZE = 12
CHARACTER = 0.61 * FONT_SIZE  # monospaced fonts are 0.60 to 0.61 em wide
MARKS = 5 * CHARACTER + 14  # the width of "PK FK" with the space around it


@dataclass(frozen=True)
class Table:
    """A table's place: its column, and its upper edge."""

    contract: Contract
    column: int
    top: int

    @property
    def bottom(self) -> int:
        """The lower edge."""
        return self.top + ROW * (1 + len(self.contract.columns))

    def row(self, names: Sequence[str]) -> int:
        """The row that stands for these columns, that of the last one, from 1; 0 is the header, for no columns."""
        return [column.name for column in self.contract.columns].index(names[-1]) + 1 if names else 0


@dataclass(frozen=True)
class Wire:
    """A relation's way: its gutter, and the heights at which it leaves the parent and reaches the child."""

    relation: Relation
    gutter: int
    start: float
    end: float


@dataclass(frozen=True)
class Band:
    """A data set's part of the picture."""

    dataset: str
    top: int
    bottom: int


@dataclass(frozen=True)
class Diagram:
    """The whole picture; heights are fixed, widths follow from the texts and the number of lanes."""

    bands: list[Band]
    tables: dict[str, Table]
    wires: list[Wire]

    @cached_property
    def lanes(self) -> list[dict[Origin, int]]:
        """For each gutter, the lane of each origin; lines in the same lane do not touch."""
        return [_lanes([wire for wire in self.wires if wire.gutter == gutter]) for gutter in range(COLUMNS - 1)]

    @cached_property
    def table_width(self) -> int:
        """The width of all tables: that of the longest text."""
        contracts = [table.contract for table in self.tables.values()]
        titles = [len(contract.address) * CHARACTER + 16 for contract in contracts]
        rows = [
            MARKS + (len(column.name) + 2 + len(column.type)) * CHARACTER + 8
            for contract in contracts
            for column in contract.columns
        ]
        return round(max([*titles, *rows]))

    def left(self, column: int) -> int:
        """The left edge of a column's tables."""
        return MARGIN + PADDING + column * self.table_width + sum(map(self._gutter_width, range(column)))

    def lane(self, wire: Wire) -> int:
        """The x at which a wire runs up or down."""
        edge = self.left(wire.gutter) + self.table_width
        return edge + FOOT + PORT + LANE * self.lanes[wire.gutter][wire.relation.origin]

    def edge(self, address: str, gutter: int) -> tuple[int, int]:
        """The x of a table's edge at a gutter, and the direction from there into the gutter, 1 or -1."""
        column = self.tables[address].column
        return (self.left(column) + self.table_width, 1) if column == gutter else (self.left(column), -1)

    @property
    def width(self) -> int:
        """The width of the picture."""
        return self.left(COLUMNS - 1) + self.table_width + PADDING + MARGIN

    @property
    def height(self) -> int:
        """The height of the picture, with a line of text under the last band."""
        return self.bands[-1].bottom + 2 * MARGIN

    def _gutter_width(self, gutter: int) -> int:
        return 2 * (FOOT + PORT) + LANE * max(self.lanes[gutter].values(), default=0)


def layout(contracts: Sequence[Contract]) -> Diagram:
    """Place tables and relations; the order of the data sets is that of the contracts."""
    links = relations(contracts)
    bands: list[Band] = []
    tables: dict[str, Table] = {}
    bottom = 0
    for dataset in dict.fromkeys(contract.dataset for contract in contracts):
        top = bottom + ROW
        members = {contract.address: contract for contract in contracts if contract.dataset == dataset}
        tables |= _place(members, links, tables, top + HEADING)
        bottom = max(tables[address].bottom for address in members) + PADDING
        bands.append(Band(dataset, top, bottom))
    return Diagram(bands, tables, _connect(links, tables))


def _place(members: dict[str, Contract], links: list[Relation], above: dict[str, Table], top: int) -> dict[str, Table]:
    """Place a data set's tables, each in the shortest column that its references allow.

    Args:
        members: its tables by address.
        links: the relations of all tables.
        above: the tables of the bands above.
        top: where the tables begin.
    """
    parents = {
        address: {link.parent for link in links if link.child == address} - {address} for address in sorted(members)
    }
    referred = set().union(*parents.values())
    # First what others refer to; tables without any relation fill up the columns.
    graph = {address: sorted(parents[address] & members.keys()) for address in parents}
    order = sorted(
        TopologicalSorter(graph).static_order(), key=lambda address: not parents[address] and address not in referred
    )
    ends = [top + column % 2 * ROW // 2 for column in range(COLUMNS)]
    tables: dict[str, Table] = {}
    for address in order:
        neighbours = [table.column for name, table in (above | tables).items() if name in parents[address]]
        allowed = [column for column in range(COLUMNS) if all(abs(column - other) <= 1 for other in neighbours)]
        if address in referred and not neighbours:
            allowed = [0, COLUMNS - 1]  # the middle is for the tables that refer to these
        column = min(allowed, key=lambda number: ends[number])
        tables[address] = Table(members[address], column, ends[column])
        ends[column] = tables[address].bottom + ROW
    return tables


def _connect(links: list[Relation], tables: dict[str, Table]) -> list[Wire]:
    """Give each relation a gutter, and each line that ends at a row a height of its own."""
    routes = []
    ports: dict[tuple[str, int, int], list[Origin | Relation]] = defaultdict(list)
    for link in links:
        parent, child = tables[link.parent], tables[link.child]
        gutter = min(parent.column, child.column, COLUMNS - 2)
        start, end = (link.parent, parent.row(link.keys), gutter), (link.child, child.row(link.columns), gutter)
        routes.append((link, start, end))
        if link.origin not in ports[start]:
            ports[start].append(link.origin)
        ports[end].append(link)

    def height(place: tuple[str, int, int], line: Origin | Relation) -> float:
        (address, row, _), lines = place, ports[place]
        return tables[address].top + (row + 0.5) * ROW + (lines.index(line) - (len(lines) - 1) / 2) * PORT

    return [Wire(link, start[2], height(start, link.origin), height(end, link)) for link, start, end in routes]


def _lanes(wires: list[Wire]) -> dict[Origin, int]:
    heights: dict[Origin, list[float]] = defaultdict(list)
    for wire in wires:
        heights[wire.relation.origin] += [wire.start, wire.end]
    spans = sorted((min(ends), max(ends), origin) for origin, ends in heights.items())
    lanes: dict[Origin, int] = {}
    lowest: list[float] = []  # of each lane
    for start, end, origin in spans:
        lane = next((number for number, taken in enumerate(lowest) if taken + ROW < start), len(lowest))
        lowest[lane : lane + 1] = [end]
        lanes[origin] = lane
    return lanes
