"""The page of a run."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from lumbung.report.language import LANGUAGES, shown
from lumbung.report.run_data import RunData

RAW_SHOWN = 500


def render(data: RunData, root: str) -> str:
    """The run as a live page.

    Args:
        data: what it shows.
        root: the way from the page's address to `static/`.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["shown"] = shown
    environment.globals |= {"languages": LANGUAGES, "raw_shown": RAW_SHOWN, "root": root}
    return environment.get_template("run.html.j2").render(data=data)
