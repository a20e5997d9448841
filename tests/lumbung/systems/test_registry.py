"""The registry, and that the code which serves all systems does not name one."""

from pathlib import Path

import pytest

from lumbung.core.settings import ROOT
from lumbung.systems import registry

SHARED = (
    *("core", "catalog", "storage", "serving", "sources", "pipeline", "stream"),
    *("report", "cli", "orchestrator", "local"),
)
FOLDERS = [*(ROOT / "include" / "lumbung" / name for name in SHARED), ROOT / "plugins"]
# The systems, as code and as people write them; and a table and a column of one of them.
SYSTEMS = {name.lower() for system in registry.all_systems() for name in (system.name, system.label)}
NAMES = (*sorted(SYSTEMS), "course_enrollment", "tweet_date")


def names_in(folder: Path) -> list[str]:
    """File, line and name wherever a file of a folder names a system."""
    return [
        f"{path}:{number} names {name}"
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        for name in NAMES
        if name in line.lower()
    ]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_what_serves_all_systems_does_not_name_one(folder):
    assert folder.is_dir()
    assert names_in(folder) == []


def test_the_known_systems_are_looked_for():
    assert {"cilvest", "pinter_skuy", "pinter-skuy"} <= set(NAMES)


def test_a_name_is_found_in_any_case_and_kind_of_file(tmp_path):
    (tmp_path / "query.py").write_text('first = 1\nkey = "Tweet_Date"\n')
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "page.html.j2").write_text("<h1>Pinter-Skuy</h1>")
    assert names_in(tmp_path) == [
        f"{tmp_path}/pages/page.html.j2:1 names pinter-skuy",
        f"{tmp_path}/query.py:2 names tweet_date",
    ]
