"""The report page: one self-contained HTML file that answers the questions of every system that is published.

It loads nothing, runs no script and is bilingual: both languages are in the file, one is shown.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from lumbung import systems
from lumbung.core.errors import SettingError
from lumbung.report import charts
from lumbung.report.data import ReportData
from lumbung.report.language import LANGUAGES, shown

BARS_SHOWN = 20
REJECTS_SHOWN = 100
RAW_SHOWN = 500


def render(data: ReportData, *, live: bool = False) -> str:
    """The report as an HTML page.

    Args:
        data: what it shows.
        live: whether it is a page under `/lumbung`, whose style is a file there; else it is a file of its own.

    Raises:
        SettingError: `looker_url` is not an https address.
        LumbungError: a time has no zone.
    """
    if data.looker_url is not None:
        _check_address(data.looker_url)
    environment = Environment(
        loader=FileSystemLoader([Path(__file__).parent, *systems.__path__]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["shown"] = shown
    environment.globals |= {"bar": charts.bar, "line": charts.line, "bars_shown": BARS_SHOWN}
    return environment.get_template("template.html.j2").render(
        data=data,
        live=live,
        languages=LANGUAGES,
        rejects_shown=REJECTS_SHOWN,
        raw_shown=RAW_SHOWN,
        unbalanced=[row for row in data.accounting if not row.balanced],
    )


def _check_address(address: str) -> None:
    url = urlsplit(address)
    if url.scheme != "https" or not url.hostname:
        raise SettingError(
            "not an https address", where=f"Looker Studio link {address!r}", remedy="copy the link from Looker Studio"
        )
