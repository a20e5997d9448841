"""What all pages share: the layout, the script and the style, live or as a file of its own.

A live page loads `static/page.js` and `static/style.css` from its own server, whose headers allow nothing else; a file
has both inside, each allowed by its hash. So neither runs anything else, whatever is in the data.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from lumbung.core.policy import content_policy, inside
from lumbung.report import charts, notes
from lumbung.report.language import LANGUAGES, shown, wrapped

FOLDER = Path(__file__).parent
STATIC = ("style.css", "page.js")
BARS_SHOWN = 20
DAYS_DRAWN = 60


def render(template: str, *, live: bool, folders: Sequence[str | Path] = (), **values: object) -> str:
    """A page, from a template that extends `page.html.j2`.

    Args:
        template: its name.
        live: whether a server sends it, which also has the files of `STATIC` and answers the script.
        folders: where templates are, beside this folder.
        values: what the template shows; `root` is the way from the page's address to `static/`, "" if none is given.
    """
    pages = environment(folders)
    pages.globals |= {"bar": charts.bar, "distribution": charts.distribution}
    pages.globals |= {"translated": notes.translated, "outcome": notes.outcome}
    pages.globals |= {"bars_shown": BARS_SHOWN, "days_drawn": DAYS_DRAWN}
    contents = {} if live else inlined(*map(static, STATIC))
    return pages.get_template(template).render(**{"live": live, "root": "", **contents, **values})


def environment(folders: Sequence[str | Path]) -> Environment:
    """What renders templates that extend `page.html.j2`.

    Args:
        folders: where templates are, beside this folder.
    """
    made = Environment(
        loader=FileSystemLoader([FOLDER, *folders]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"shown": shown, "wrapped": wrapped}
    made.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    made.globals |= {"languages": LANGUAGES, "line": charts.line}
    return made


def inlined(style: str, script: str) -> dict[str, str]:
    """What `page.html.j2` shows of a page that is a file of its own: its style and script, and the policy of them."""
    texts = {"style": Markup(style), "script": Markup(script)}  # noqa: S704 - files of our own
    return {**texts, "policy": content_policy(inside(script), inside(style))}


@cache
def static(name: str) -> str:
    """The text of a file of `STATIC`."""
    return (FOLDER / name).read_text(encoding="utf-8")
