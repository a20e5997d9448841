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
# Settings and commands are named after DAGs, and a DAG may have its system's name.
NAMED_AFTER_DAGS = ("core/settings.py", "core/setting_groups.py", "cli/main.py")
OWN_DAG_S_NAME = {system.name: system.label for system in registry.all_systems() if system.name == system.dag_id}


def forbidden(path: Path) -> tuple[str, ...]:
    """The names that a file must not have."""
    allowed = set()
    for name, label in OWN_DAG_S_NAME.items():
        word = name.partition("_")[0]
        # One module of commands, or several; and what the doctor looks at for it alone.
        of_its_commands = path.match(f"cli/{word}_*.py") or path.match(f"cli/doctor/{word}s.py")
        if of_its_commands or any(path.match(f"lumbung/{file}") for file in NAMED_AFTER_DAGS):
            allowed |= {name, label.lower()}
    return tuple(name for name in NAMES if name not in allowed)


def names_in(folder: Path) -> list[str]:
    """File, line and name wherever a file of a folder names a system."""
    return [
        f"{path}:{number} names {name}"
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        for name in forbidden(path)
        if name in line.lower()
    ]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_what_serves_all_systems_does_not_name_one(folder):
    assert folder.is_dir()
    assert names_in(folder) == []


def test_the_known_systems_are_looked_for():
    assert {"cilvest", "pinter_skuy", "pinter-skuy", "contract_events", "contract events"} <= set(NAMES)


def test_only_settings_and_commands_have_the_name_of_a_dag():
    shared = ROOT / "include" / "lumbung"
    assert set(NAMES) - set(forbidden(shared / "core" / "settings.py")) == {"contract_events", "contract events"}
    for module in ("contract_events", "contract_schema"):
        allowed = set(NAMES) - set(forbidden(shared / "cli" / f"{module}.py"))
        assert allowed == {"contract_events", "contract events"}
    assert forbidden(shared / "cli" / "console.py") == forbidden(shared / "core" / "day.py") == NAMES


def test_a_name_is_found_in_any_case_and_kind_of_file(tmp_path):
    (tmp_path / "query.py").write_text('first = 1\nkey = "Tweet_Date"\n')
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "page.html.j2").write_text("<h1>Pinter-Skuy</h1>")
    assert names_in(tmp_path) == [
        f"{tmp_path}/pages/page.html.j2:1 names pinter-skuy",
        f"{tmp_path}/query.py:2 names tweet_date",
    ]
