"""The chart of docs/reference/performance.md: a day's time by its size, for each way of making it."""

from __future__ import annotations

from collections.abc import Mapping
from math import log10
from typing import Any
from xml.sax.saxutils import escape

FONT = "Helvetica, Arial, 'Liberation Sans', sans-serif"
WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 70, 560, 60, 360
SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
SECONDS = (0.1, 1, 10, 100, 1000)
APART = 18  # pixels between two names
# Marks and dashes distinguish them, too.
WAYS = {
    "a DuckDB script": ("#868e96", "2 4", "circle"),
    "dlt and the same SQL": ("#e67700", "6 4", "diamond"),
    "dlt, dbt-duckdb and cosmos": ("#c2255c", "10 4", "square"),
    "lumbung run": ("#1864ab", "", "circle"),
}
TITLE = "A day from sources to marts: seconds by enrollments"

Series = dict[str, list[tuple[int, float]]]


def series(results: Mapping[str, Any]) -> Series:
    """Size and seconds of each way, as far as measured."""
    found: Series = {what: [] for what in WAYS}
    for size in SIZES:
        for way in results.get(f"A day, {size:,} enrollments", {}).get("took", []):
            if way["what"] in found:
                found[way["what"]].append((size, way["seconds"]))
    return {what: points for what, points in found.items() if points}


def svg(results: Mapping[str, Any]) -> str:
    """The chart, with its figures as a description."""
    drawn = series(results)
    description = " ".join(
        f"{what}: {', '.join(f'{size:,}: {seconds:.1f} s' for size, seconds in points)}."
        for what, points in drawn.items()
    )
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
        f' font-family="{FONT}" font-size="13" role="img" aria-labelledby="title description">',
        f'<title id="title">{TITLE}</title>',
        f'<desc id="description">{escape(description)}</desc>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="32" font-size="16" font-weight="bold" fill="#212529">{TITLE}</text>',
    ]
    for seconds in SECONDS:
        y = _y(seconds)
        lines.append(f'<path d="M{LEFT},{y:.1f} H{RIGHT}" stroke="#dee2e6"/>')
        lines.append(f'<text x="{LEFT - 10}" y="{y + 4:.1f}" text-anchor="end" fill="#495057">{seconds:g} s</text>')
    lines += [
        f'<text x="{_x(size):.1f}" y="{BOTTOM + 26}" text-anchor="middle" fill="#495057">{size:,}</text>'
        for size in SIZES
    ]
    for what, points in drawn.items():
        lines += _line(what, points)
    lines += _names(drawn)
    return "\n".join([*lines, "</svg>"]) + "\n"


def _line(what: str, points: list[tuple[int, float]]) -> list[str]:
    color, dash, mark = WAYS[what]
    places = [(_x(size), _y(seconds)) for size, seconds in points]
    path = " L".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    lines = [f'<path d="M{path}" fill="none" stroke="{color}" stroke-width="2.5"{dashes}/>']
    for x, y in places:
        if mark == "circle":
            lines.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="{color}"/>')
        else:
            turn = f' transform="rotate(45 {x:.1f} {y:.1f})"' if mark == "diamond" else ""
            lines.append(f'<rect x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8" fill="{color}"{turn}/>')
    return lines


def _names(drawn: Series) -> list[str]:
    """The names beside the ends of the lines, moved apart."""
    lines, free = [], float(TOP)
    for what, points in sorted(drawn.items(), key=lambda item: _y(item[1][-1][1])):
        y = max(_y(points[-1][1]) + 4, free)
        free = y + APART
        lines.append(f'<text x="{RIGHT + 14}" y="{y:.1f}" fill="{WAYS[what][0]}">{escape(what)}</text>')
    return lines


def _x(size: int) -> float:
    share = log10(size / SIZES[0]) / log10(SIZES[-1] / SIZES[0])
    return LEFT + 40 + share * (RIGHT - LEFT - 40)


def _y(seconds: float) -> float:
    share = log10(seconds / SECONDS[0]) / log10(SECONDS[-1] / SECONDS[0])
    return BOTTOM - share * (BOTTOM - TOP)
