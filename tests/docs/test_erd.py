"""The diagrams in docs/reference/tables*.md, and their picture, show the contracts' tables, columns and references."""

import re

import pytest

from erd import files
from lumbung.catalog.contract import Catalog

CATALOG = Catalog()
DRAWN = [contract for contract in CATALOG.contracts.values() if contract.dataset in ("dwh", "datamart")]
ENTITY = re.compile(r'^ *"([\w.]+)" \{\n(.*?)^ *\}', re.MULTILINE | re.DOTALL)
COLUMN = re.compile(r'^ *(\S+) (\w+)(?: ([A-Z,]+))? "(not null|null)"$', re.MULTILINE)
FOREIGN_KEY = re.compile(r'^ *"([\w.]+)" \|\|--\S+ "([\w.]+)" : "([\w, ]+)"$', re.MULTILINE)


def diagram() -> str:
    """The diagrams of all pages, one after another."""
    texts = [re.findall(r"^```mermaid\n(erDiagram.*?)^```", page.read_text(), re.M | re.S) for page in files.PAGES]
    assert all(len(diagrams) == 1 for diagrams in texts)
    return "".join(text for diagrams in texts for text in diagrams)


def references(contract):
    return [check.references for check in contract.checks if check.references]


def columns(contract):
    foreign = {name for reference in references(contract) for name in reference.columns}
    for column in contract.columns:
        keys = [mark for mark, names in (("PK", contract.key), ("FK", foreign)) if column.name in names]
        required = column.required or column.name in contract.key
        yield column.type, column.name, ",".join(keys), "not null" if required else "null"


def test_the_picture_is_drawn_from_the_contracts():
    assert files.PICTURE.read_text() == files.picture(CATALOG), "run make erd"


@pytest.mark.parametrize("page", files.PAGES, ids=lambda page: page.name)
def test_the_diagram_is_drawn_from_the_contracts(page):
    assert page.read_text() == files.page(page.read_text(), CATALOG), "run make erd"


def test_the_diagram_has_the_contracts_columns():
    drawn = {address: COLUMN.findall(body) for address, body in ENTITY.findall(diagram())}
    assert drawn == {contract.address: list(columns(contract)) for contract in DRAWN}


def test_the_diagram_has_the_contracts_references():
    assert sorted(FOREIGN_KEY.findall(diagram())) == sorted(
        (reference.table, contract.address, ", ".join(reference.columns))
        for contract in DRAWN
        for reference in references(contract)
    )


@pytest.mark.parametrize("contract", CATALOG.contracts.values(), ids=lambda contract: contract.address)
def test_the_picture_has_the_table(contract):
    shown = set(re.findall(r">([^<>]+)<", files.PICTURE.read_text()))
    assert {contract.address, *(column.name for column in contract.columns)} <= shown
