"""Views that show one version of all of a system's tables, at any time and while it is published.

A publish replaces each table atomically, but not all of them in one moment. Where LUMBUNG_CONSISTENT_VIEWS is set,
each table has two copies, a and b, in the data set `consistent`, and a view over both. A publish fills the copies that
are not read; then `datamart.freshness`, replaced by one load job, names them as those that the views read.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

from lumbung.catalog.contract import Contract
from lumbung.pipeline import operations
from lumbung.pipeline.run import CONSISTENT, Run
from lumbung.storage import views
from lumbung.storage.state import Pending

ViewCopy = Literal["a", "b"]


def other(view_copy: ViewCopy | None) -> ViewCopy:
    """The copies that the views do not read while they read these."""
    return "b" if view_copy == "a" else "a"


def next_copy(run: Run, pending: Pending) -> ViewCopy | None:
    """The copies that the views read after a publish; None: the run keeps no views.

    A publish that was killed is completed with the copies it began with: its freshness may be loaded, so that the views
    read them already.

    Args:
        run: the run.
        pending: what it publishes.
    """
    if not run.settings.consistent_views:
        return None
    published = run.state.published()
    return pending.view_copy or other(published.view_copy if published else None)


def is_shown(run: Run) -> bool:
    """Whether the run's system has views."""
    published = run.state.published()
    return published is not None and published.view_copy is not None


def shown(run: Run, targets: Collection[str]) -> list[Contract]:
    """The run's tables that are there after a publish: one that is new, or has expired, may not be among its targets.

    Args:
        run: the run.
        targets: full names of the tables that are published.
    """
    names = {table.address: run.warehouse.table(table.address) for table in run.tables}
    return [
        table for table in run.tables if names[table.address] in targets or run.warehouse.exists(names[table.address])
    ]


def pairs(run: Run, tables: Sequence[Contract], view_copy: ViewCopy) -> list[tuple[str, str]]:
    """Each published table and its copy, as pairs for `Warehouse.copy`.

    Args:
        run: the run.
        tables: those that are there.
        view_copy: which copies.
    """
    return [(run.warehouse.table(table.address), _copy(run, table, view_copy)) for table in tables]


def outdated(run: Run, tables: Sequence[Contract]) -> list[Contract]:
    """The tables whose view is missing, or written for other columns than the contract's.

    Args:
        run: the run.
        tables: those that are there.
    """
    return [table for table in tables if views.query(run.warehouse, _view(run, table)) != _query(run, table)]


def write_views(run: Run, tables: list[Contract]) -> None:
    """Write the views of tables; both copies of each must be there, with the contract's columns."""
    for table in tables:
        description = f"{table.description.strip()}\n\nOne version with all views of {run.system}."
        views.write(run.warehouse, _view(run, table), _query(run, table), description)


def remove(run: Run) -> None:
    """Delete the run's views and both copies of its tables."""
    for table in run.tables:
        for name in (_view(run, table), _copy(run, table, "a"), _copy(run, table, "b")):
            run.warehouse.drop(name)


def _view(run: Run, table: Contract) -> str:
    return run.warehouse.table(f"{CONSISTENT}.{table.address.replace('.', '__')}")


def _copy(run: Run, table: Contract, view_copy: ViewCopy) -> str:
    return f"{_view(run, table)}__{view_copy}"


def _query(run: Run, table: Contract) -> str:
    columns = ", ".join(f"`{column.name}`" for column in table.columns)
    freshness = f"`{run.warehouse.table(operations.FRESHNESS)}`"
    copies: tuple[ViewCopy, ...] = ("a", "b")
    return "\nUNION ALL\n".join(
        f"SELECT {columns} FROM `{_copy(run, table, view_copy)}`"
        f" WHERE (SELECT view_copy FROM {freshness} WHERE system = '{run.system}') = '{view_copy}'"
        for view_copy in copies
    )
