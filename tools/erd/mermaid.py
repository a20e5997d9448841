"""The diagram as Mermaid text."""

from __future__ import annotations

from collections.abc import Sequence

from erd.relations import Relation, is_required, key_marks, relations
from lumbung.catalog.contract import Contract


def mermaid(contracts: Sequence[Contract]) -> str:
    """The tables, their columns and the relations among them."""
    links = relations(contracts)
    lines = ["erDiagram", "    direction LR"]
    for contract in contracts:
        lines += [f'    "{contract.address}" {{', *_columns(contract, links), "    }"]
    return "\n".join([*lines, *map(_relation, links)]) + "\n"


def _columns(contract: Contract, links: list[Relation]) -> list[str]:
    lines = []
    for column in contract.columns:
        marks = ",".join(key_marks(contract, column, links))
        null = "not null" if is_required(contract, column) else "null"
        lines.append(f'        {column.type} {column.name}{marks and f" {marks}"} "{null}"')
    return lines


def _relation(link: Relation) -> str:
    end = "o{" if link.many else "o|" if link.optional else "||"
    line, label = ("--", ", ".join(link.columns)) if link.columns else ("..", "equal rows")
    return f'    "{link.parent}" ||{line}{end} "{link.child}" : "{label}"'
