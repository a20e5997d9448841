"""What contracts say about keys: which columns are keys, and which tables refer to which."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lumbung.catalog.contract import Column, Contract

Origin = tuple[str, tuple[str, ...]]
"""The address of a table and the columns of its key that relations start at; no columns: the table as a whole."""


@dataclass(frozen=True)
class Relation:
    """`columns` of `child` refer to `keys` of `parent`; without columns: both tables have equally many rows.

    `many`: several rows of the child may refer to one of the parent. `optional`: none may.
    """

    parent: str
    child: str
    columns: tuple[str, ...]
    keys: tuple[str, ...]
    many: bool
    optional: bool

    @property
    def origin(self) -> Origin:
        """Where the relation starts; relations of one origin share a line in the picture."""
        return self.parent, self.keys


def relations(contracts: Iterable[Contract]) -> list[Relation]:
    """The references of sources, the references that are checked, and the tables checked to have equally many rows."""
    result = []
    for contract in contracts:
        # The references of a source name a table of the same data set.
        references = [(f"{contract.dataset}.{source.table}", source) for source in contract.references]
        references += [(check.references.table, check.references) for check in contract.checks if check.references]
        equals = [check.equal_rows for check in contract.checks if check.equal_rows]
        for parent, reference in references:
            many = not contract.key or not set(contract.key) <= set(reference.columns)
            columns, keys = tuple(reference.columns), tuple(reference.key)
            result.append(Relation(parent, contract.address, columns, keys, many, optional=parent not in equals))
        referred = [parent for parent, _ in references]
        result += [
            Relation(parent, contract.address, columns=(), keys=(), many=False, optional=False)
            for parent in equals
            if parent not in referred
        ]
    return result


def key_marks(contract: Contract, column: Column, links: Iterable[Relation]) -> list[str]:
    """Which keys a column belongs to.

    Args:
        contract: the column's table.
        column: the column.
        links: the relations of all tables.

    Returns:
        PK for the table's own key, FK for a reference to another table; both, one or none.
    """
    is_foreign = any(column.name in link.columns for link in links if link.child == contract.address)
    return [mark for mark, applies in (("PK", column.name in contract.key), ("FK", is_foreign)) if applies]


def is_required(contract: Contract, column: Column) -> bool:
    """Whether a column is checked to be never null."""
    return column.required or column.name in contract.key
