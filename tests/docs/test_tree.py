"""The folder `tests` mirrors the tree: each suite stands at the path of what it tests."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MIRRORED = {
    "tests/lumbung": "include/lumbung",
    "tests/plugins": "plugins",
    "tests/tools": "tools",
    "tests/services": "services",
    "tests/dags": "dags",
}
# What spans modules, what tests files that are not Python, and helpers.
OTHERS = {f"tests/{name}" for name in ("system", "infra", "docs", "docker", "yarn", "sql", "faults", "support")}
HELPERS = {"tests/support", "tests/faults"}


def misplaced(root: Path) -> list[str]:
    """A sentence for each file of the tests that does not stand where it belongs."""
    sentences = []
    for path in sorted((root / "tests").rglob("*.py")):
        file = path.relative_to(root)
        folder = "/".join(file.parts[:2])
        if file.parts == ("tests", "conftest.py"):
            continue
        if folder not in MIRRORED and folder not in OTHERS:
            sentences.append(f"{file}: tests has no folder {file.parts[1]}")
        elif path.name != "conftest.py" and not path.name.startswith("test_") and folder not in HELPERS:
            sentences.append(f"{file}: a helper belongs in tests/support, a test in a file test_*.py")
        elif folder in MIRRORED:
            tested = root / MIRRORED[folder] / file.relative_to(folder).parent
            name = path.stem.removeprefix("test_")
            is_package = name == tested.name and (tested / "__init__.py").exists()
            if path.name == "conftest.py":
                if not tested.is_dir():
                    sentences.append(f"{file}: there is no folder {tested.relative_to(root)}")
            elif not is_package and not (tested / f"{name}.py").exists():
                sentences.append(f"{file}: there is no module {(tested / name).relative_to(root)}.py")
    return sentences


def test_the_tests_mirror_the_tree():
    assert misplaced(ROOT) == []


def test_each_case_of_a_table_is_at_the_path_of_its_query():
    cases, queries = ROOT / "tests/sql", ROOT / "include/sql"
    tables = [path.relative_to(cases) for path in sorted(cases.glob("*/*")) if path.is_dir()]
    assert [table for table in tables if not (queries / table).with_suffix(".sql").exists()] == []


@pytest.mark.parametrize(
    ("file", "fault"),
    [
        ("tests/lumbung/core/test_day.py", None),
        ("tests/lumbung/core/test_core.py", None),
        ("tests/lumbung/core/conftest.py", None),
        ("tests/system/test_everything.py", None),
        ("tests/support/clock.py", None),
        ("tests/lumbung/core/test_clock.py", "there is no module include/lumbung/core/clock.py"),
        ("tests/lumbung/test_day.py", "there is no module include/lumbung/day.py"),
        ("tests/lumbung/test_core.py", "there is no module include/lumbung/core.py"),
        ("tests/lumbung/clock/conftest.py", "there is no folder include/lumbung/clock"),
        ("tests/lumbung/core/clock.py", "a helper belongs in tests/support, a test in a file test_*.py"),
        ("tests/system/clock.py", "a helper belongs in tests/support, a test in a file test_*.py"),
        ("tests/dags/test_day.py", "there is no module dags/day.py"),
        ("tests/unit/test_day.py", "tests has no folder unit"),
        ("tests/test_day.py", "tests has no folder test_day.py"),
    ],
)
def test_a_file_at_another_path_is_named(tmp_path, file, fault):
    for path in ("include/lumbung/core/__init__.py", "include/lumbung/core/day.py", "tests/conftest.py", file):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    assert misplaced(tmp_path) == ([f"{file}: {fault}"] if fault else [])
