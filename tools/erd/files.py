"""What is drawn: a picture of all tables, and pages whose diagrams have those of dwh and datamart, system by system."""

from __future__ import annotations

import re
from pathlib import Path

from erd.layout import layout
from erd.mermaid import mermaid
from erd.svg import svg
from lumbung.catalog.contract import Catalog, Contract

DOCS = Path(__file__).parents[2] / "docs"
PICTURE = DOCS / "images" / "erd.svg"
PAGES = sorted((DOCS / "reference").glob("tables*.md"))
SYSTEMS = re.compile(r"^<!-- diagram of: ([\w, ]+) -->$", re.MULTILINE)
DIAGRAM = re.compile(r"(?<=^```mermaid\n)erDiagram\n.*?(?=^```$)", re.MULTILINE | re.DOTALL)

FLOW = ("staging", "dwh", "datamart")  # the order of data sets in the picture; all others come after these
PAGE_DATASETS = ("dwh", "datamart")


def contracts(catalog: Catalog) -> list[Contract]:
    """All contracts, by data set in the order that data flows, then by name."""
    rank = {dataset: number for number, dataset in enumerate(FLOW)}

    def position(contract: Contract) -> tuple[int, str, str]:
        return rank.get(contract.dataset, len(FLOW)), contract.dataset, contract.table

    return sorted(catalog.contracts.values(), key=position)


def picture(catalog: Catalog) -> str:
    """The content of docs/images/erd.svg."""
    return svg(layout(contracts(catalog)))


def page(text: str, catalog: Catalog) -> str:
    """The text of a page with its diagram replaced by the one that the contracts of the systems it names give."""
    (names,) = SYSTEMS.findall(text)
    drawn = [contract for contract in contracts(catalog) if contract.dataset in PAGE_DATASETS]
    diagram = mermaid([contract for contract in drawn if contract.system in names.split(", ")])
    return DIAGRAM.sub(lambda _: diagram, text)
