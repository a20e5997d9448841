"""The systems that are ingested: every package beside this module; each has a `system.py` with its `SYSTEM`."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from datetime import date
from functools import cache
from typing import TYPE_CHECKING

from lumbung import systems
from lumbung.core.errors import LumbungError
from lumbung.pipeline.system import System

if TYPE_CHECKING:
    from lumbung.pipeline.rejects import RejectedFile
    from lumbung.storage.lake import Lake


@cache
def all_systems() -> tuple[System, ...]:
    """Every system, by name."""
    names = sorted(module.name for module in pkgutil.iter_modules(systems.__path__) if module.ispkg)
    return tuple(importlib.import_module(f"{systems.__name__}.{name}.system").SYSTEM for name in names)


def system(name: str) -> System:
    """The system of this name, as contracts write it.

    Raises:
        LumbungError: there is none.
    """
    return _only("name", name)


def by_dag(dag_id: str) -> System:
    """The system that a DAG gathers.

    Raises:
        LumbungError: there is none.
    """
    return _only("dag_id", dag_id)


def rejects(lake: Lake, day: date) -> Iterator[RejectedFile]:
    """The files of a day's rejects, of all systems."""
    for candidate in all_systems():
        yield from candidate.rejects(lake, day)


def _only(attribute: str, value: str) -> System:
    for candidate in all_systems():
        if getattr(candidate, attribute) == value:
            return candidate
    known = ", ".join(getattr(candidate, attribute) for candidate in all_systems())
    raise LumbungError(f"there is no system with {attribute} {value}", where="lumbung.systems", remedy=f"use {known}")
