"""Rendering templates, and writing all files or none."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from lumbung.catalog.contract import SCHEMA_LINE, Column
from lumbung.core.errors import LumbungError

Files = dict[Path, str | bytes]
"""The content of each file to write."""

OF_SOURCES = {"from_", "decimal", "values", "parses_as", "compared"}
# No longer, so that the lines of generated Python keep to the limit.
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


def render(template: str, **values: Any) -> str:
    """The text of a template.

    Args:
        template: its path in this folder.
        values: what it shows.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=False,  # noqa: S701 - YAML, SQL and Python, of checked names
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"flow": _flow, "column": _column, "quoted": _quoted}
    return environment.get_template(template).render(schema_line=SCHEMA_LINE, **values)


def write(files: Mapping[Path, str | bytes]) -> None:
    """Write all files.

    Raises:
        LumbungError: one of them exists, and then none is written; or a folder cannot be written to.
    """
    if existing := [str(path) for path in files if os.path.lexists(path)]:
        raise LumbungError(
            f"there already {'is' if len(existing) == 1 else 'are'} {', '.join(existing)}",
            remedy="nothing was written; choose another name, or move the files away",
        )
    for path, content in files.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:
                file.write(content if isinstance(content, bytes) else content.encode())
        except OSError as error:
            raise LumbungError(
                f"cannot be written ({error.strerror})", where=str(path), remedy="use a checkout that is yours"
            ) from error


def check_name(name: str) -> str:
    """The name, if a table or a system may have it.

    Raises:
        LumbungError: it may not.
    """
    if not _NAME.fullmatch(name):
        raise LumbungError(
            f"{name!r} is not a name", remedy="use at most 40 lower-case letters, digits and _, a letter first"
        )
    return name


def _flow(value: Any) -> str:
    """A value of YAML on one line."""
    text: str = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10_000)
    return text.removesuffix("\n").removesuffix("\n...")


def _quoted(value: str | int) -> str:
    """A value of YAML on one line, within a list or mapping on one line too; line breaks are escaped."""
    return json.dumps(value, ensure_ascii=False)


def _column(column: Column) -> str:
    """A column of a table that reads a source: what is said of the source's file does not matter to it."""
    return _flow(column.model_dump(exclude_defaults=True, exclude=OF_SOURCES))
