"""References between the sources of a system: which table's key the values of a source's columns must exist in."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from graphlib import CycleError, TopologicalSorter

from lumbung.catalog.contract import Contract
from lumbung.core.errors import LumbungError


def order(sources: Sequence[Contract]) -> list[Contract]:
    """The sources of a system, each after those that it refers to.

    Raises:
        LumbungError: a source refers to what is not one, or sources refer to each other in a circle.
    """
    for fault in faults(sources):
        raise fault
    tables = {source.table: source for source in sources}
    return [tables[name] for name in TopologicalSorter(_graph(sources)).static_order()]


def faults(sources: Sequence[Contract], unreadable: Collection[str] = ()) -> Iterator[LumbungError]:
    """What is wrong with the references between all sources of a system.

    Args:
        sources: their contracts.
        unreadable: tables whose contracts cannot be read; nothing is said about references to them.
    """
    tables = {source.table: source for source in sources}
    for source in sources:
        if unknown := {reference.table for reference in source.references} - {*tables, *unreadable}:
            yield LumbungError(
                f"refers to {', '.join(sorted(unknown))}, which is not a source of {source.system}",
                where=str(source.path),
                remedy="name a staging table of the same system",
            )
        for reference in source.references:
            if reference.table in tables:
                yield from missing_key(source, reference.key, tables[reference.table])
    try:
        TopologicalSorter(_graph(sources)).prepare()
    except CycleError as error:
        yield LumbungError(
            f"sources refer to each other in a circle: {' -> '.join(error.args[1])}",
            where=str(tables[error.args[1][0]].path),
            remedy="take one reference out of the circle",
        )


def missing_key(contract: Contract, key: Sequence[str], other: Contract) -> Iterator[LumbungError]:
    """The fault of a reference to columns that the other table does not have.

    Args:
        contract: whose reference it is.
        key: the columns that it names.
        other: the table that it names.
    """
    if unknown := sorted(set(key) - {column.name for column in other.columns}):
        yield LumbungError(
            f"refers to {', '.join(unknown)} of {other.address}, which has no such column",
            where=str(contract.path),
            remedy=f"name columns of {other.path.name}",
        )


def _graph(sources: Sequence[Contract]) -> dict[str, list[str]]:
    tables = {source.table for source in sources}
    return {
        source.table: [reference.table for reference in source.references if reference.table in tables]
        for source in sources
    }
