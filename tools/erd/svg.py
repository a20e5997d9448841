"""The picture as SVG."""

from __future__ import annotations

from collections import defaultdict
from xml.sax.saxutils import escape

from erd.layout import FONT_SIZE, FOOT, MARGIN, MARKS, PADDING, ROW, Band, Diagram, Table, Wire
from erd.relations import Origin, Relation, is_required, key_marks

FONT = "'DejaVu Sans Mono', Menlo, Consolas, 'Liberation Mono', monospace"
LEGEND = (
    "PK: key. FK: foreign key. Bold: not null. A solid line leads from a key to the table that refers to it: a foot"
    " for many rows, a bar for one. Dashed: equal numbers of rows."
)
HEADERS = {"staging": "#495057", "dwh": "#1864ab", "datamart": "#2b8a3e"}
OTHER_HEADER = "#862e9c"
WIRES = ("#1c7ed6", "#d9480f", "#2f9e44", "#9c36b5", "#c2255c", "#0c8599", "#846a00", "#5f3dc4")
BASELINE = 14  # of a text, from the top of its row
INSET = 8  # of a text, from a table's edge
BAR = 5  # half the length of the bar, and of the foot, at the end of a relation


def svg(diagram: Diagram) -> str:
    """Bands, then relations, then tables, and a line that explains them."""
    links = [wire.relation for wire in diagram.wires]
    bundles: dict[tuple[Origin, int], list[Wire]] = defaultdict(list)
    for wire in diagram.wires:
        bundles[wire.relation.origin, wire.gutter].append(wire)
    origins = list(dict.fromkeys(link.origin for link in links))
    colors = {origin: WIRES[number % len(WIRES)] for number, origin in enumerate(origins)}
    size = f'width="{diagram.width}" height="{diagram.height}"'
    pieces = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {diagram.width} {diagram.height}"'
        f' font-family="{FONT}" font-size="{FONT_SIZE}" role="img">',
        "<title>The tables, their columns and their relations</title>",
        f'<rect {size} fill="#ffffff"/>',
    ]
    for band in diagram.bands:
        pieces += _band(band, diagram)
    for (origin, _), wires in bundles.items():
        pieces.append(_wires(wires, diagram, colors[origin]))
    for table in diagram.tables.values():
        pieces += _table(table, diagram, links)
    pieces.append(
        f'<text x="{MARGIN}" y="{diagram.height - MARGIN}" font-family="sans-serif" fill="#495057">{LEGEND}</text>'
    )
    return "\n".join([*pieces, "</svg>\n"])


def _header(dataset: str) -> str:
    return HEADERS.get(dataset, OTHER_HEADER)


def _band(band: Band, diagram: Diagram) -> list[str]:
    return [
        f'<rect x="{MARGIN}" y="{band.top}" width="{diagram.width - 2 * MARGIN}" height="{band.bottom - band.top}"'
        ' rx="6" fill="#f1f3f5" stroke="#dee2e6"/>',
        f'<text x="{MARGIN + PADDING}" y="{band.top + 26}" font-size="16" font-weight="bold"'
        f' fill="{_header(band.dataset)}">{escape(band.dataset)}</text>',
    ]


def _wires(wires: list[Wire], diagram: Diagram, color: str) -> str:
    """The relations of one origin in one gutter: a path that branches."""
    relation, start = wires[0].relation, wires[0].start
    lane = diagram.lane(wires[0])
    heights = [start, *(wire.end for wire in wires)]
    edge, direction = diagram.edge(relation.parent, wires[0].gutter)
    path = [f"M{edge},{start:g} H{lane} M{lane},{min(heights):g} V{max(heights):g}"]
    ends = [_bar(edge + direction * FOOT / 2, start)]
    for wire in wires:
        edge, direction = diagram.edge(wire.relation.child, wire.gutter)
        path.append(f"M{lane},{wire.end:g} H{edge}")
        if wire.relation.many:
            tip = edge + direction * FOOT
            ends.append(f"M{edge},{wire.end - BAR:g} L{tip},{wire.end:g} L{edge},{wire.end + BAR:g}")
        else:
            ends.append(_bar(edge + direction * FOOT / 2, wire.end))
    dashes = "" if relation.columns else ' stroke-dasharray="5 4"'
    return (
        f'<g fill="none" stroke="{color}" stroke-width="1.5"><path d="{" ".join(path)}"{dashes}/>'
        f'<path d="{" ".join(ends)}"/></g>'
    )


def _bar(x: float, y: float) -> str:
    return f"M{x:g},{y - BAR:g} v{2 * BAR}"


def _table(table: Table, diagram: Diagram, links: list[Relation]) -> list[str]:
    contract, color = table.contract, _header(table.contract.dataset)
    left, width = diagram.left(table.column), diagram.table_width
    frame = f'x="{left}" y="{table.top}" width="{width}" height="{table.bottom - table.top}"'
    pieces = [
        f'<rect {frame} fill="#ffffff"/>',
        f'<rect x="{left}" y="{table.top}" width="{width}" height="{ROW}" fill="{color}"/>',
        _text(left + INSET, table.top, contract.address, 'font-weight="bold" fill="#ffffff"'),
    ]
    for number, column in enumerate(contract.columns, 1):
        top, marks = table.top + number * ROW, " ".join(key_marks(contract, column, links))
        weight = 'font-weight="bold" ' if is_required(contract, column) else ""
        pieces.append(f'<path d="M{left},{top} h{width}" stroke="#e9ecef"/>')
        if marks:
            pieces.append(_text(left + INSET, top, marks, f'font-size="10" fill="{color}"'))
        pieces += [
            _text(left + MARKS, top, column.name, f'{weight}fill="#212529"'),
            _text(left + width - INSET, top, column.type, 'text-anchor="end" fill="#868e96"'),
        ]
    return [*pieces, f'<rect {frame} fill="none" stroke="{color}"/>']


def _text(x: float, top: int, text: str, style: str) -> str:
    return f'<text x="{x:g}" y="{top + BASELINE}" {style}>{escape(text)}</text>'
