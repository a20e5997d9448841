"""The page of a run."""

from __future__ import annotations

from lumbung.report import page
from lumbung.report.run_data import RunData

RAW_SHOWN = 500


def render(data: RunData, root: str) -> str:
    """The run as a live page.

    Args:
        data: what it shows.
        root: the way from the page's address to `static/`.
    """
    return page.render("run.html.j2", live=True, data=data, root=root, raw_shown=RAW_SHOWN)
