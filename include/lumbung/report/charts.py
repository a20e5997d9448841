"""Charts as inline SVG, drawn on the server: they need no script, and they print.

Their labels stand beside them in the page, as text that wraps.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from itertools import count

from markupsafe import Markup

BAR = Markup('<svg class="bar {}" aria-hidden="true"><rect width="{}%" height="100%" rx="2"/></svg>')
LINE = Markup(
    '<svg class="line" viewBox="0 0 300 100" preserveAspectRatio="none" aria-hidden="true">'
    '<path class="base" d="M0 100H300"/><path class="area" d="{}"/><path class="stroke" d="{}"/>'
    '<path class="dot" d="M{} {}h0"/></svg>'
)


def bar(value: int, most: int, kind: str) -> Markup:
    """A horizontal bar as wide as its box when `value` is `most`; `kind` is its CSS class.

    Args:
        value: the bar's value.
        most: the value of a bar as wide as its box.
        kind: its CSS class.
    """
    return BAR.format(kind, round(100 * value / most, 2) if most else 0)


def line(points: Sequence[tuple[date, int]], days: tuple[date, date], most: int) -> Markup:
    """A line over `days`, from 0 to `most`, its last point marked.

    Args:
        points: (day, value) in the order of days, at least one.
        days: the first and the last day of the axis; they differ.
        most: the value at the top of the chart.
    """
    span = (days[1] - days[0]).days
    xy = [(round(300 * (day - days[0]).days / span), round(100 - 100 * value / (most or 1))) for day, value in points]
    path = "L".join(f"{x} {y}" for x, y in xy)
    return LINE.format(f"M{xy[0][0]} 100L{path}V100Z", f"M{path}", *xy[-1])


def distribution(counts: Sequence[int]) -> list[tuple[int, int, int]]:
    """How counts are spread: (lowest, highest, how many are between) by steps of 1, 2, 5, 10, 20 and so on.

    Args:
        counts: at least one, none negative.

    Returns:
        From the step of the least count to that of the largest; empty steps between them too.
    """
    limits = [0]
    while limits[-1] < max(counts):
        limits.append(next(step for step in _steps() if step > limits[-1]))
    bins = [
        (low + 1 if high else 0, high, sum(low < value <= high for value in counts))
        for low, high in zip([-1, *limits], limits, strict=False)
    ]
    first = next(index for index, (_, _, inside) in enumerate(bins) if inside)
    return bins[first:]


def _steps() -> Iterator[int]:
    return (step * 10**power for power in count() for step in (1, 2, 5))
