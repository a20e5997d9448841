"""The files of a new system: its folder, its DAG, a source and a table of it."""

from __future__ import annotations

import keyword
from collections.abc import Sequence
from pathlib import Path

from lumbung.catalog.contract import OWN_SYSTEM, parse
from lumbung.cli.new import source, table
from lumbung.cli.new.files import Files, check_name, render
from lumbung.core.errors import LumbungError
from lumbung.core.settings import ROOT
from lumbung.pipeline.system import System

TEMPLATES = ("__init__.py.j2", "system.py.j2", "answers.py.j2", "report.py.j2", "report.html.j2.j2")


def files(name: str, systems: Sequence[System], data_source: Path) -> Files:
    """The files of a system.

    Args:
        name: its name.
        systems: those that exist.
        data_source: the folder that samples are read from.

    Raises:
        LumbungError: the name cannot be a system's.
    """
    folder = ROOT / "include" / "lumbung" / "systems"
    taken = {OWN_SYSTEM, *(other for system in systems for other in (system.name, system.dag_id))}
    if name in taken or keyword.iskeyword(check_name(name)) or (folder / f"{name}.py").exists():
        raise LumbungError(f"{name} is taken", remedy="choose another name")
    item = f"{name}_item"
    address = f"dwh.dim_{item}"
    values = {
        "name": name,
        "class_name": "".join(part.title() for part in name.split("_")),
        "label": name.replace("_", " ").title(),
        "position": max((system.position for system in systems), default=0) + 1,
        "table": address,
    }
    written: Files = {
        folder / name / template.removesuffix(".j2"): render(f"system/{template}", **values) for template in TEMPLATES
    }
    written[ROOT / "dags" / f"{name}.py"] = render("system/dag.py.j2", **values)
    written |= source.files(name, item, "csv", data_source)
    contract = source.contract_path(item)
    return written | table.files(address, parse(contract, written[contract]))
