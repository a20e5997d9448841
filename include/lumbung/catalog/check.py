"""Everything that can be wrong with contracts, queries and test cases, without a server."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from lumbung.catalog import analysis, query, references
from lumbung.catalog import case as cases
from lumbung.catalog.contract import OWN_SYSTEM, SQL_ROOT, Contract, read_all
from lumbung.core.errors import LumbungError, UnparsableError


def faults(systems: Collection[str], root: Path = SQL_ROOT, cases_root: Path = cases.CASES_ROOT) -> list[LumbungError]:
    """Every fault; each names its file and the remedy. Where Google's engine is installed, it analyses all SQL.

    What that cannot judge is among them as an `analysis.UnjudgedError`, which is not a fault.

    Args:
        systems: the names of all systems.
        root: the folder of the contracts and queries.
        cases_root: the folder of the test cases; where there is none, as in an image, none are asked for.
    """
    contracts, unreadable = read_all(root)
    _, of_queries = query.examine(contracts.values(), unreadable)
    found = [*unreadable.values(), *_unknown_systems(contracts, systems)]
    if analysis.unavailable():
        found += [*of_queries, *_expressions(contracts)]
    else:
        analysed = list(analysis.faults(contracts))
        # Of a text that cannot be read Google's engine says more, and where.
        refused = {fault.where.partition(", line ")[0] for fault in analysed}
        found += [f for f in of_queries if not (isinstance(f, UnparsableError) and f.where in refused)]
        found += analysed
    found += _references(contracts, unreadable)
    if cases_root.exists():
        found += _cases(contracts, unreadable, cases_root)
    return found


def concerns(fault: LumbungError, address: str, root: Path = SQL_ROOT, cases_root: Path = cases.CASES_ROOT) -> bool:
    """Whether a fault lies in a table's own contract, query or test cases.

    Args:
        fault: the fault.
        address: the table.
        root: as in `faults`.
        cases_root: as in `faults`.
    """
    path = address.replace(".", "/")
    return fault.where.startswith((f"{root / path}.", f"{cases_root / path}/"))


def _unknown_systems(contracts: Mapping[str, Contract], systems: Collection[str]) -> Iterator[LumbungError]:
    for contract in contracts.values():
        if contract.system not in (*systems, OWN_SYSTEM):
            yield LumbungError(
                f"there is no system {contract.system}",
                where=str(contract.path),
                remedy=f"name one of {', '.join(sorted(systems))}, or add it: lumbung new system {contract.system}",
            )


def _references(contracts: Mapping[str, Contract], unreadable: Collection[str]) -> Iterator[LumbungError]:
    tables = [address.partition(".")[2] for address in unreadable]
    sources = sorted((c for c in contracts.values() if c.source), key=attrgetter("system", "table"))
    for _, group in groupby(sources, key=attrgetter("system")):
        yield from references.faults(list(group), tables)
    for contract in contracts.values():
        for check in contract.checks:
            if check.references and (other := contracts.get(check.references.table)):
                yield from references.missing_key(contract, check.references.key, other)


def _expressions(contracts: Mapping[str, Contract]) -> Iterator[LumbungError]:
    for contract in contracts.values():
        for expression in filter(None, (check.expression for check in contract.checks)):
            if fault := query.unparsable(f"SELECT ({expression}\n) IS NOT TRUE"):
                yield LumbungError(
                    f"check expression({expression}) is not GoogleSQL ({fault})",
                    where=str(contract.path),
                    remedy="fix the expression",
                )


def _cases(contracts: Mapping[str, Contract], unreadable: Collection[str], root: Path) -> Iterator[LumbungError]:
    existing = cases.cases(root)
    tested = {case.address for case in existing}
    for contract in contracts.values():
        if contract.sql_path.exists() and contract.address not in tested:
            yield LumbungError(
                "no test case",
                where=str(root / contract.dataset / contract.table / "<case>"),
                remedy="add a folder with rows given and rows expected, as CONTRIBUTING.md says",
            )
    for case in existing:
        if case.address not in unreadable:
            yield from cases.faults(case, contracts)
