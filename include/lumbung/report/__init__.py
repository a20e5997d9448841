"""The report page, which answers the questions of every system that is published.

One renderer makes the live page and the file: the file loads nothing, and all that it does is inside. It is bilingual:
both languages are in it, one is shown.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from lumbung import systems
from lumbung.core.errors import SettingError, UnknownError
from lumbung.report import page
from lumbung.report.data import ReportData
from lumbung.report.language import LANGUAGES
from lumbung.serving.page_table import Column, PageTable
from lumbung.serving.schema import RejectedRow
from lumbung.systems.registry import all_systems

REJECTS_SHOWN = 100
RAW_SHOWN = 500
# Rows of a table that are in the page, so that 10,000 cities and mentors stay under 300 kB; a live page asks for more.
ROWS_OF_FILE, ROWS_OF_LIVE_PAGE, ROWS_ASKED = 250, 100, 5_000


def render(data: ReportData, *, live: bool = False) -> str:
    """The report as an HTML page.

    Args:
        data: what it shows.
        live: whether a server sends it, with its script and style beside it; else it is a file of its own.

    Raises:
        SettingError: `looker_url` is not an https address.
        LumbungError: a time has no zone.
    """
    if data.looker_url is not None:
        _check_address(data.looker_url)
    heading, label = data.sections[0].heading, data.sections[0].label
    rejects = _rejects(data.rejects)
    tables = [*(table for section in data.sections for table in section.tables.values()), rejects]
    return page.render(
        "template.html.j2",
        live=live,
        folders=systems.__path__,
        data=data,
        titles={
            language.code: f"{text} {label}, {language.day(data.day)}"
            for language, text in zip(LANGUAGES, heading, strict=True)
        },
        labels={system.name: system.label for system in all_systems()},
        rejects=rejects,
        rejects_shown=REJECTS_SHOWN,
        tables={table.name: table.to_json(count=ROWS_OF_LIVE_PAGE if live else ROWS_OF_FILE) for table in tables},
        unbalanced=[row for row in data.accounting if not row.balanced],
    )


def rows(data: ReportData, table: str, offset: int = 0, limit: int = ROWS_ASKED) -> dict[str, Any]:
    """Rows of one of the live page's tables, for its script.

    Args:
        data: what the page shows.
        table: the table's name.
        offset: the first row, from 0.
        limit: how many rows at most.

    Raises:
        UnknownError: the page has no such table.
    """
    tables = {each.name: each for section in data.sections for each in section.tables.values()}
    if table not in tables:
        raise UnknownError(f"no table {table!r}", where="the report page", remedy=f"use one of {', '.join(tables)}")
    return tables[table].to_json(max(0, offset), min(max(0, limit), ROWS_ASKED))


def _rejects(rejects: list[RejectedRow]) -> PageTable:
    raw = [row.raw for row in rejects if row.raw is not None]
    columns = [
        Column(("Sumber", "Source"), "name"),
        Column(("Baris", "Line")),
        Column(("Alasan", "Reason"), "english"),
        *([Column(("Isi", "Content"), "id"), Column(("Huruf", "Characters"))] if raw else []),
    ]
    return PageTable(
        name="rejects",
        title=("Baris yang ditolak", "Rejected rows"),
        noun=("baris", "row", "rows"),
        columns=columns,
        rows=[
            (row.source, row.line, row.reason, *(() if row.raw is None else (row.raw[:RAW_SHOWN], len(row.raw))))
            for row in rejects[:REJECTS_SHOWN]
        ],
    )


def _check_address(address: str) -> None:
    url = urlsplit(address)
    if url.scheme != "https" or not url.hostname:
        raise SettingError(
            "not an https address", where=f"Looker Studio link {address!r}", remedy="copy the link from Looker Studio"
        )
