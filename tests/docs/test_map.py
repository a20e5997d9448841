"""The map of the tree in docs/reference/map.md is true: its folders, their order, and the files that it names."""

import re
import subprocess
from pathlib import Path

import imports

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/reference/map.md").read_text()
# A folder that is a system: its name does not matter.
SYSTEM = re.compile(r"^include/lumbung/systems/[^/]+$")
MAPPED_BELOW = ("include/sql", "docs")  # whose subfolders are on the map, too


def section(heading):
    (text,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    return text


def folders(text):
    """The first cell of each row."""
    return re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)


def general(folder):
    return SYSTEM.sub("include/lumbung/systems/<name>", folder)


ORDERED = folders(section("What may import what"))
MAPPED = {*ORDERED, *folders(section("Beside that order")), *folders(section("Everything else"))}


def test_the_order_is_that_of_the_import_graph():
    assert [folder.replace("*", "<name>") for line in imports.ORDER for folder in line] == ORDERED


def test_every_folder_of_code_is_on_the_map():
    code = {general(module.folder) for module in imports.modules().values()}
    assert sorted(code - MAPPED) == []


def test_every_folder_of_the_tree_is_on_the_map():
    files = subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).splitlines()
    parents = {parent.as_posix() for file in files for parent in Path(file).parents}
    for folder in sorted(parents):
        top, _, name = folder.rpartition("/")
        if top in MAPPED_BELOW:
            assert folder in MAPPED
        if not top and not name.startswith("."):
            assert any(each == folder or each.startswith(f"{folder}/") for each in MAPPED), folder


def test_nothing_is_on_the_map_that_does_not_exist():
    assert [folder for folder in sorted(MAPPED) if not any(ROOT.glob(folder.replace("<name>", "*")))] == []


def test_the_files_to_change_exist():
    rows = re.findall(r"^\|[^|]+\| (.+) \|$", section("Where to change what"), re.MULTILINE)[2:]
    assert len(rows) >= 10
    for row in rows:
        here = ""
        for name in re.findall(r"`([^` ]+)`", row):
            if "/" in name or name.startswith(("docker", ".env")):
                here = name.rpartition("/")[0]
            elif name.endswith((".py", ".j2")):
                name = f"{here}/{name}"
            else:  # not a file: a name in the code, or the ending of one
                continue
            assert any(ROOT.glob(re.sub(r"<[^>]+>", "*", name.rstrip("/")))), name
