"""The catalogue: every table and column with meaning, lineage, checks and figures, for people and for programs.

`page` and `data` are answers of the live pages; `write` makes the same pages as files that open without a server.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lumbung.catalogue import entries, odcs, pages
from lumbung.core.errors import LumbungError
from lumbung.core.settings import Settings
from lumbung.storage.warehouse import Warehouse


def page(warehouse: Warehouse, settings: Settings, address: str | None = None) -> str:
    """A live page.

    Args:
        warehouse: where tables are published.
        settings: where the tables are.
        address: the table that the page is of; None: the list of all.

    Raises:
        LumbungError: the table is not known, or the warehouse does not answer.
    """
    collected = entries.collect(warehouse, settings)
    return pages.table(collected, address, live=True) if address else pages.index(collected, live=True)


def data(warehouse: Warehouse, settings: Settings) -> dict[str, Any]:
    """All that the pages show, as JSON has it, and each table's contract in the Open Data Contract Standard.

    Raises:
        LumbungError: the warehouse does not answer.
    """
    collected = entries.collect(warehouse, settings)
    content = entries.to_json(collected)
    for table in content["tables"]:
        table["odcs"] = odcs.document(collected, collected.tables[table["address"]])
    return content


def write(folder: Path, warehouse: Warehouse | None, settings: Settings) -> entries.Entries:
    """Write the catalogue as files: `index.html`, a page for each table, and contracts under `odcs`.

    Files of other names stay as they are.

    Args:
        folder: where to; it is made if it is missing.
        warehouse: where tables are published; None, or if it does not answer: the pages say that there are no figures.
        settings: where the tables are.

    Returns:
        What was written.
    """
    try:
        collected = entries.collect(warehouse, settings)
    except LumbungError as error:
        collected = entries.collect(None, settings, absent=str(error))
    (folder / "odcs").mkdir(parents=True, exist_ok=True)
    for address in collected.tables:
        (folder / f"{address}.html").write_text(pages.table(collected, address), encoding="utf-8")
        (folder / "odcs" / f"{address}.odcs.yaml").write_text(odcs.text(collected, address), encoding="utf-8")
    (folder / "index.html").write_text(pages.index(collected), encoding="utf-8")
    return collected
