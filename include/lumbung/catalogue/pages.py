"""The catalogue's pages: a list of all tables, and a page for each; live, or as files that need no server."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from functools import cache
from itertools import groupby
from pathlib import Path

from jinja2 import Environment
from markupsafe import Markup

from lumbung.catalogue import drawing
from lumbung.catalogue.entries import DAYS, Entries, TableEntry
from lumbung.core.errors import LumbungError
from lumbung.report import notes, page
from lumbung.report.language import LANGUAGES, Language

FOLDER = Path(__file__).parent
STATIC = ("catalogue.css", "catalogue.js")
"""The style and the script that these pages have beside those of all pages."""
LAYERS = ("datamart", "dwh", "staging", "ops")
"""The data sets in the order of the list: what people read comes first."""


def index(entries: Entries, *, live: bool = False) -> str:
    """The list of all tables.

    Args:
        entries: all that the catalogue shows.
        live: whether a server sends it, with its script and style beside it; else it is a file of its own.
    """
    by_system = {
        system.name: sorted(
            (table for table in entries.tables.values() if table.contract.system == system.name), key=_order
        )
        for system in entries.systems
    }
    grouped = {
        name: [(dataset, list(tables)) for dataset, tables in groupby(tables, key=lambda table: table.contract.dataset)]
        for name, tables in by_system.items()
    }
    return _render("index.html.j2", entries, live=live, root="", grouped=grouped)


def table(entries: Entries, address: str, *, live: bool = False) -> str:
    """The page of a table.

    Args:
        entries: all that the catalogue shows.
        address: the table.
        live: whether a server sends it, with its script and style beside it; else it is a file of its own.

    Raises:
        LumbungError: the table is not known.
    """
    if address not in entries.tables:
        raise LumbungError(f"no table {address!r}", where="the catalogue", remedy="choose one of its list")
    entry = entries.tables[address]
    (system,) = [each for each in entries.systems if each.name == entry.contract.system]
    return _render(
        "table.html.j2",
        entries,
        live=live,
        root="../" if live else "",
        table=entry,
        system=system,
        drawing=drawing.lineage(entries, address, _link("" if live else ".html")),
    )


def both(make: Callable[[Language], object]) -> Markup:
    """A text in both languages, of which the page shows one; a single text where they are the same."""
    texts = [Markup.escape(make(language)) for language in LANGUAGES]
    if len(set(texts)) == 1:
        return texts[0]
    span = Markup('<span lang="{0}" data-language="{0}">{1}</span>')
    return Markup("").join(span.format(language.code, text) for language, text in zip(LANGUAGES, texts, strict=True))


def say(indonesian: str, english: str, **values: object) -> Markup:
    """A sentence in both languages; `{name}` in it is replaced by that value, escaped."""
    return both(lambda language: language.say(indonesian, english, **values))


def count(value: int, indonesian: str, one: str, many: str) -> Markup:
    """A number and its noun in both languages.

    Args:
        value: how many.
        indonesian: the noun in Indonesian.
        one: the noun in English, singular.
        many: the noun in English, plural.
    """
    return both(lambda language: language.count(value, indonesian, one, many))


def number(value: int) -> Markup:
    """A number in both languages."""
    return both(lambda language: language.number(value))


def day(value: date) -> Markup:
    """A day in both languages."""
    return both(lambda language: language.day(value))


def moment(value: datetime) -> Markup:
    """A time in both languages."""
    return both(lambda language: language.moment(value))


def _render(template: str, entries: Entries, *, live: bool, root: str, **values: object) -> str:
    values |= {} if live else page.inlined(*_inside())
    values |= {
        "entries": entries,
        "live": live,
        "root": root,
        # Live, the list is `catalogue`, and a table `catalogue/<address>`.
        "link": _link("" if live else ".html", "catalogue/" if live and template == "index.html.j2" else ""),
        "list_link": "../catalogue" if live else "index.html",
    }
    return _environment().get_template(template).render(**values)


@cache  # a template is compiled once for all tables
def _environment() -> Environment:
    environment = page.environment([FOLDER])
    environment.globals |= {
        "say": say,
        "count": count,
        "number": number,
        "day": day,
        "moment": moment,
        "seconds": lambda value: both(lambda language: language.seconds(value)),
        "translated": lambda note: both(lambda language: notes.translated(language, note)),
        "days_shown": DAYS,
    }
    return environment


def _link(suffix: str, folder: str = "") -> Callable[[str, str], str]:
    def link(address: str, column: str = "") -> str:
        return f"{folder}{address}{suffix}{'#' if column else ''}{column}"

    return link


def _order(table: TableEntry) -> tuple[int, str]:
    dataset = table.contract.dataset
    return LAYERS.index(dataset) if dataset in LAYERS else len(LAYERS), table.address


@cache
def _inside() -> tuple[str, str]:
    """The style and the script of a page that is a file of its own."""
    style, script = (
        f"{page.static(shared)}\n{(FOLDER / own).read_text(encoding='utf-8')}"
        for shared, own in zip(page.STATIC, STATIC, strict=True)
    )
    return style, script
