"""What all pages share: the layout, the script and the style, live or as a file of its own.

A live page loads `static/page.js` and `static/style.css` from its own server; a file has both inside, each allowed by
its hash. So neither runs anything else, whatever is in the data.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from lumbung.report import charts, notes
from lumbung.report.language import LANGUAGES, shown, wrapped

FOLDER = Path(__file__).parent
STATIC = ("style.css", "page.js")
BARS_SHOWN = 20
DAYS_DRAWN = 60
LIVE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:;"
    " base-uri 'none'; form-action 'none'"
)


def render(template: str, *, live: bool, folders: Sequence[str | Path] = (), **values: object) -> str:
    """A page, from a template that extends `page.html.j2`.

    Args:
        template: its name.
        live: whether a server sends it, which also has the files of `STATIC` and answers the script.
        folders: where templates are, beside this folder.
        values: what the template shows; `root` is the way from the page's address to `static/`, "" if none is given.
    """
    environment = Environment(
        loader=FileSystemLoader([FOLDER, *folders]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"shown": shown, "wrapped": wrapped}
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    environment.globals |= {"bar": charts.bar, "line": charts.line, "distribution": charts.distribution}
    environment.globals |= {"translated": notes.translated, "outcome": notes.outcome}
    environment.globals |= {"languages": LANGUAGES, "bars_shown": BARS_SHOWN, "days_drawn": DAYS_DRAWN}
    environment.globals |= {"live": live, "root": ""}
    if not live:
        style, script = (static(name) for name in STATIC)
        environment.globals |= {"style": Markup(style), "script": Markup(script)}  # noqa: S704 - files of our own
    return environment.get_template(template).render(policy=LIVE_POLICY if live else file_policy(), **values)


@cache
def static(name: str) -> str:
    """The text of a file of `STATIC`."""
    return (FOLDER / name).read_text(encoding="utf-8")


def file_policy(*texts: str) -> str:
    """The Content-Security-Policy of a page that has its style and script inside.

    Args:
        texts: style and script, where they are more than those of all pages.
    """
    style, script = (
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
        for text in texts or map(static, STATIC)
    )
    return (
        f"default-src 'none'; script-src {script}; style-src {style}; img-src data:; base-uri 'none';"
        " form-action 'none'"
    )
