"""Renders infra/lumbung.svg from infra/lumbung.drawio, which diagrams.net opens and edits.

    .venv/bin/python tools/drawing.py

It supports what the drawing uses: rectangles with lines of text, containers, and edges of straight segments with fixed
ends. Anything else is refused, so that the SVG always shows what diagrams.net shows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree
from xml.sax.saxutils import escape

SOURCE = Path(__file__).parents[1] / "infra" / "lumbung.drawio"
TARGET = SOURCE.with_suffix(".svg")
FONT = "Helvetica, Arial, 'Liberation Sans', sans-serif"
LINE_HEIGHT = 1.25  # of the font size
# Upper bounds of the average width of a character in these fonts, in em.
WIDTH, WIDTH_BOLD = 0.56, 0.6
ROOTS = ("0", "1")  # the two cells that every drawing starts with

Point = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """A line of text."""

    text: str
    bold: bool

    def width(self, size: float) -> float:
        """An upper bound of its width in pixels."""
        return len(self.text) * size * (WIDTH_BOLD if self.bold else WIDTH)


@dataclass(frozen=True)
class Box:
    """A rectangle, in the drawing's coordinates."""

    id: str
    parent: str
    x: float
    y: float
    width: float
    height: float
    style: dict[str, str]
    lines: list[Line]

    @property
    def is_container(self) -> bool:
        """Whether it contains other boxes."""
        return self.style.get("container") == "1"

    @property
    def font_size(self) -> float:
        """The size of its text, in pixels."""
        return float(self.style["fontSize"])

    @property
    def spacing(self) -> float:
        """The distance between border and text, in pixels."""
        return float(self.style["spacing"])

    def at(self, x: float, y: float) -> Point:
        """The point at these shares of width and height."""
        return self.x + x * self.width, self.y + y * self.height

    def text_frame(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of the text."""
        width = max((line.width(self.font_size) for line in self.lines), default=0)
        height = len(self.lines) * self.font_size * LINE_HEIGHT
        left = self.x + self.spacing if self.style.get("align") == "left" else self.x + (self.width - width) / 2
        top = self.y + self.spacing if self.style.get("verticalAlign") == "top" else self.y + (self.height - height) / 2
        return left, top, left + width, top + height


@dataclass(frozen=True)
class Edge:
    """An arrow of straight segments."""

    id: str
    source: str
    target: str
    points: list[Point]
    style: dict[str, str]
    label: str
    along: float  # the position of the label: -1 at the start, 1 at the end

    def label_at(self) -> Point:
        """The middle of the label."""
        segments = list(pairwise(self.points))
        lengths = [abs(b[0] - a[0]) + abs(b[1] - a[1]) for a, b in segments]  # each is horizontal or vertical
        rest = sum(lengths) * (self.along + 1) / 2
        for (a, b), length in zip(segments, lengths, strict=True):
            if rest <= length:
                share = rest / length
                return a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share
            rest -= length
        return self.points[-1]


@dataclass(frozen=True)
class Drawing:
    """The drawing: its size, boxes and edges in the order they are painted."""

    width: float
    height: float
    boxes: dict[str, Box] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)


def read(path: Path = SOURCE) -> Drawing:
    """Read a drawing.

    Raises:
        ValueError: it uses something that is not supported, or an end of an edge does not exist.
    """
    model = ElementTree.parse(path).getroot().find("diagram/mxGraphModel")  # noqa: S314 - our own file
    if model is None:
        raise ValueError(f"{path}: no uncompressed mxGraphModel in it")
    drawing = Drawing(float(model.get("pageWidth", "")), float(model.get("pageHeight", "")))
    cells = [cell for cell in model.iter("mxCell") if cell.get("id") not in ROOTS]
    for cell in cells:
        if cell.get("vertex"):
            box = _box(cell, drawing)
            drawing.boxes[box.id] = box
    drawing.edges.extend(_edge(cell, drawing) for cell in cells if cell.get("edge"))
    if len(drawing.boxes) + len(drawing.edges) != len(cells):
        raise ValueError(f"{path}: an id occurs twice, or a cell is neither box nor edge")
    return drawing


def render(drawing: Drawing) -> str:
    """The drawing as SVG."""
    colors = sorted({edge.style["strokeColor"] for edge in drawing.edges})
    size = f"{drawing.width:g} {drawing.height:g}"
    width, height = size.split()
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {size}"'
            f' font-family="{FONT}" role="img">',
            "<title>Lumbung: pinter-skuy and Cilvest, from sources to answers</title>",
            "<defs>",
            *(
                f'<marker id="{_marker(color)}" markerWidth="9" markerHeight="8" refX="9" refY="4" orient="auto"'
                f' markerUnits="userSpaceOnUse"><path d="M0,0 L9,4 L0,8 Z" fill="{color}"/></marker>'
                for color in colors
            ),
            "</defs>",
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
            *(element for box in drawing.boxes.values() if box.is_container for element in _paint_box(box)),
            *(element for edge in drawing.edges for element in _paint_edge(edge)),
            *(element for box in drawing.boxes.values() if not box.is_container for element in _paint_box(box)),
            "</svg>\n",
        ]
    )


def _style(cell: ElementTree.Element) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in cell.get("style", "").split(";") if pair)


def _lines(value: str) -> list[Line]:
    lines = []
    for text in value.split("<br>") if value else []:
        bold = re.fullmatch(r"<b>(.*)</b>", text)
        plain = bold[1] if bold else text
        if "<" in plain:
            raise ValueError(f"only <b> around a line and <br> are supported: {text}")
        lines.append(Line(plain, bold is not None))
    return lines


def _numbers(element: ElementTree.Element | None, *names: str) -> list[float]:
    if element is None:
        raise ValueError("a cell has no geometry")
    return [float(element.get(name, "0")) for name in names]


def _box(cell: ElementTree.Element, drawing: Drawing) -> Box:
    name, parent = cell.get("id", ""), cell.get("parent", "")
    x, y, width, height = _numbers(cell.find("mxGeometry"), "x", "y", "width", "height")
    if parent not in ROOTS:
        x, y = x + drawing.boxes[parent].x, y + drawing.boxes[parent].y
    style = _style(cell)
    if "shape" in style:
        raise ValueError(f"{name}: only rectangles are supported, not {style['shape']}")
    return Box(name, parent, x, y, width, height, style, _lines(cell.get("value", "")))


def _edge(cell: ElementTree.Element, drawing: Drawing) -> Edge:
    name, source, target = cell.get("id", ""), cell.get("source", ""), cell.get("target", "")
    for end in (source, target):
        if end not in drawing.boxes:
            raise ValueError(f"{name}: its end {end!r} does not exist")
    style = _style(cell)
    if style.get("edgeStyle") != "none":
        raise ValueError(f"{name}: only edges of straight segments are supported (edgeStyle=none)")
    geometry = cell.find("mxGeometry")
    (along,) = _numbers(geometry, "x")
    between = [(x, y) for point in cell.iter("mxPoint") for x, y in [_numbers(point, "x", "y")]]
    first = drawing.boxes[source].at(float(style["exitX"]), float(style["exitY"]))
    last = drawing.boxes[target].at(float(style["entryX"]), float(style["entryY"]))
    # Exits and entries are shares with four digits; the points they stand for are whole pixels.
    points = [(float(round(x)), float(round(y))) for x, y in (first, *between, last)]
    return Edge(name, source, target, points, style, cell.get("value", ""), along)


def _marker(color: str) -> str:
    return f"arrow-{color.lstrip('#')}"


def _paint_box(box: Box) -> list[str]:
    elements = []
    if box.style["fillColor"] != "none":
        elements.append(
            f'<rect x="{box.x:g}" y="{box.y:g}" width="{box.width:g}" height="{box.height:g}"'
            f' rx="{float(box.style["arcSize"]) / 2:g}" fill="{box.style["fillColor"]}"'
            f' stroke="{box.style["strokeColor"]}"/>'
        )
    left, top, right, _ = box.text_frame()
    is_left = box.style.get("align") == "left"
    for number, line in enumerate(box.lines):
        # A baseline is about 0.8 em under the top of the letters.
        y = top + box.font_size * (number * LINE_HEIGHT + (LINE_HEIGHT - 1) / 2 + 0.82)
        elements.append(
            f'<text x="{left if is_left else (left + right) / 2:g}" y="{y:g}" font-size="{box.font_size:g}"'
            f' fill="{box.style["fontColor"]}"{"" if is_left else " text-anchor=" + chr(34) + "middle" + chr(34)}'
            f"{' font-weight=' + chr(34) + 'bold' + chr(34) if line.bold else ''}>{escape(line.text)}</text>"
        )
    return elements


def _paint_edge(edge: Edge) -> list[str]:
    color = edge.style["strokeColor"]
    path = " ".join(f"{x:g},{y:g}" for x, y in edge.points)
    dashes = ' stroke-dasharray="5 4"' if edge.style.get("dashed") == "1" else ""
    elements = [
        f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="{edge.style["strokeWidth"]}"{dashes}'
        f' marker-end="url(#{_marker(color)})"/>'
    ]
    if edge.label:
        size = float(edge.style["fontSize"])
        (x, y), width = edge.label_at(), Line(edge.label, bold=False).width(size)
        elements += [
            f'<rect x="{x - width / 2:g}" y="{y - size * 0.7:g}" width="{width:g}" height="{size * 1.4:g}"'
            f' fill="{edge.style["labelBackgroundColor"]}"/>',
            f'<text x="{x:g}" y="{y + size * 0.35:g}" font-size="{size:g}" fill="{edge.style["fontColor"]}"'
            f' text-anchor="middle">{escape(edge.label)}</text>',
        ]
    return elements


if __name__ == "__main__":
    TARGET.write_text(render(read()), encoding="utf-8")
