"""The import graph: each rule of the layout, broken on a small tree, and kept by the checkout."""

import pytest

import imports


@pytest.fixture
def tree(tmp_path):
    """Write files, by path; gives their folder."""

    def write(files):
        for path, text in files.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text)
        return tmp_path

    return write


def test_the_checkout_keeps_the_rules():
    assert imports.faults() == []
    assert len(imports.modules()) > 100


def test_imports_down_the_list_are_allowed(tree):
    root = tree(
        {
            "include/lumbung/core/day.py": "import datetime\n",
            "include/lumbung/catalog/query.py": "from lumbung.core import day\n",
            "dags/daily.py": "from lumbung.catalog.query import render\n",
        }
    )
    _, files, folders = imports.graphs(root)
    assert files["daily"] == {"lumbung.catalog.query"}
    assert files["lumbung.catalog.query"] == {"lumbung.core.day"}
    assert folders["dags"] == {"include/lumbung/catalog"}
    assert imports.longest_chain(folders) == ["dags", "include/lumbung/catalog", "include/lumbung/core"]
    assert imports.faults(root) == []


@pytest.mark.parametrize(
    "text",
    [
        "import lumbung.core.b\n",
        "from lumbung.core import b\n",
        "from lumbung.core.b import name\n",
        "def function():\n    from lumbung.core import b\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from lumbung.core import b\n",
    ],
)
def test_a_circle_of_files(tree, text):
    root = tree({"include/lumbung/core/a.py": text, "include/lumbung/core/b.py": "import lumbung.core.a\n"})
    (fault,) = imports.faults(root)
    assert fault.startswith("files import each other in a circle: ")
    assert {"lumbung.core.a", "lumbung.core.b"} == set(fault.partition(": ")[2].split(" -> "))


def test_a_circle_of_folders(tree):
    root = tree(
        {
            "include/lumbung/core/a.py": "import lumbung.catalog.b\n",
            "include/lumbung/core/c.py": "",
            "include/lumbung/catalog/b.py": "import lumbung.core.c\n",
        }
    )
    circle, upward = imports.faults(root)
    assert circle.startswith("folders import each other in a circle: ")
    assert upward == "include/lumbung/core must not import include/lumbung/catalog"


@pytest.mark.parametrize(
    ("folder", "imported"),
    [
        ("include/lumbung/core", "include/lumbung/storage"),
        ("include/lumbung/pipeline", "include/lumbung/systems/shop"),
        ("include/lumbung/systems/shop", "include/lumbung/systems/bank"),
        ("include/lumbung/spark", "include/lumbung/search"),
        ("include/lumbung/pipeline", "include/lumbung/unlisted"),
    ],
)
def test_an_upward_import(tree, folder, imported):
    package = imported.removeprefix("include/").replace("/", ".")
    root = tree({f"{folder}/a.py": f"import {package}.b\n", f"{imported}/b.py": ""})
    assert imports.faults(root) == [f"{folder} must not import {imported}"]


@pytest.mark.parametrize("length", [imports.MAX_CHAIN, imports.MAX_CHAIN + 1])
def test_a_chain_of_folders_that_is_too_long(tree, length):
    folders = [row[0] for row in imports.ORDER if row[0].startswith("include/lumbung/") and "*" not in row[0]]
    chain = folders[: length + 1]
    packages = [folder.removeprefix("include/").replace("/", ".") for folder in chain]
    root = tree(
        {
            f"{folder}/a.py": f"import {package}.a\n" if package else ""
            for folder, package in zip(chain, [*packages[1:], None], strict=True)
        }
    )
    expected = [f"the longest chain of folders has {length} imports, more than {imports.MAX_CHAIN}"]
    assert imports.faults(root) == (expected if length > imports.MAX_CHAIN else [])


@pytest.mark.parametrize("folder", ["include/lumbung/core", "services/bigquery", "tools", "tests/system", "benchmarks"])
def test_a_long_module(tree, folder):
    path = f"{folder}/a.py"
    assert imports.faults(tree({path: "x = 1\n" * imports.MAX_LINES})) == []
    faults = imports.faults(tree({path: "x = 1\n" * (imports.MAX_LINES + 1)}))
    assert faults == [f"{path} has {imports.MAX_LINES + 1} lines, more than {imports.MAX_LINES}"]


def test_faults_end_the_command_with_an_error(monkeypatch, capsys):
    assert imports.main() == 0
    monkeypatch.setattr(imports, "MAX_CHAIN", 3)
    assert imports.main() == 1
    assert "the longest chain of folders has" in capsys.readouterr().err
