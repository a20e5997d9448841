"""The diagram in docs/architecture.md, and its picture, show the contracts' tables, columns and references."""

import re
from pathlib import Path

import pytest

from lumbung.catalog.contract import Catalog

DOCS = Path(__file__).parents[2] / "docs"
DRAWN = [one for one in Catalog().contracts.values() if one.dataset in ("dwh", "datamart")]
ENTITY = re.compile(r'^ *"([\w.]+)" \{\n(.*?)^ *\}', re.MULTILINE | re.DOTALL)
COLUMN = re.compile(r'^ *(\S+) (\w+)(?: ([A-Z,]+))? "(not null|null)"$', re.MULTILINE)
FOREIGN_KEY = re.compile(r'^ *"([\w.]+)" \|\|--\S+ "([\w.]+)" : "([\w, ]+)"$', re.MULTILINE)


def diagram() -> str:
    (found,) = re.findall(r"^```mermaid\n(erDiagram.*?)^```", (DOCS / "architecture.md").read_text(), re.M | re.S)
    return found


def references(contract):
    return [check.references for check in contract.checks if check.references]


def columns(contract):
    foreign = {name for reference in references(contract) for name in reference.columns}
    for column in contract.columns:
        keys = [mark for mark, names in (("PK", contract.key), ("FK", foreign)) if column.name in names]
        required = column.required or column.name in contract.key
        yield column.type, column.name, ",".join(keys), "not null" if required else "null"


def test_the_diagram_has_the_contracts_columns():
    drawn = {address: COLUMN.findall(body) for address, body in ENTITY.findall(diagram())}
    assert drawn == {one.address: list(columns(one)) for one in DRAWN}


def test_the_diagram_has_the_contracts_references():
    assert sorted(FOREIGN_KEY.findall(diagram())) == sorted(
        (reference.table, one.address, ", ".join(reference.columns)) for one in DRAWN for reference in references(one)
    )


@pytest.mark.parametrize("contract", DRAWN, ids=lambda one: one.address)
def test_the_picture_has_the_table(contract):
    shown = set(re.findall(r">([^<>]+)<", (DOCS / "images/erd.svg").read_text()))
    assert {contract.address, *(column.name for column in contract.columns)} <= shown
