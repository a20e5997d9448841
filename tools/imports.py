"""The import graph of the code: its folders, the longest chain between them, circles, and the size of modules.

    .venv/bin/python tools/imports.py

Every import counts, also one inside a function or for type checks only. It fails where a rule of the layout is broken:
imports between folders point down the list `ORDER`, nothing is imported in a circle, the longest chain of folders
has at most `MAX_CHAIN` imports, and no module has more than `MAX_LINES` lines.
"""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MAX_CHAIN = 9
MAX_LINES = 400
# Where modules are looked for, and the folder that their dotted names start at.
SOURCES = (
    ("dags", "dags"),
    ("plugins", "plugins"),
    ("include/lumbung", "include"),
    ("services/bigquery", "services"),
    ("tools", "tools"),
)
SIZED = (*(folder for folder, _ in SOURCES), "benchmarks", "tests")
# From the top: a folder may import those of later lines only, and its own subfolders.
ORDER = (
    ("dags",),
    ("plugins",),
    ("plugins/lumbung_airflow/pages",),
    ("plugins/lumbung_airflow",),
    ("include/lumbung",),
    ("include/lumbung/cli",),
    ("include/lumbung/cli/doctor",),
    ("include/lumbung/cli/new/system",),
    ("include/lumbung/cli/new/source", "include/lumbung/cli/new/table"),
    ("include/lumbung/cli/new",),
    ("include/lumbung/catalogue",),
    ("include/lumbung/report",),
    ("include/lumbung/systems",),
    ("include/lumbung/systems/*",),
    ("include/lumbung/orchestrator",),
    ("include/lumbung/local",),
    ("include/lumbung/pipeline",),
    ("include/lumbung/stream",),
    ("include/lumbung/spark", "include/lumbung/search"),
    ("include/lumbung/sources",),
    ("include/lumbung/serving",),
    ("include/lumbung/serving/api",),
    ("include/lumbung/models",),
    ("include/lumbung/storage",),
    ("include/lumbung/storage/lake",),
    ("include/lumbung/catalog",),
    ("tools/budget",),
    ("include/lumbung/core",),
    ("include/lumbung/googlesql",),
)

Graph = Mapping[str, set[str]]


@dataclass(frozen=True)
class Module:
    """A Python file.

    Attributes:
        name: its dotted name.
        path: the file.
        folder: its folder, from the root of the checkout.
        lines: how many lines it has.
    """

    name: str
    path: Path
    folder: str
    lines: int


def modules(root: Path = ROOT) -> dict[str, Module]:
    """Every module of the code, tests apart, by its dotted name."""
    by_name = {}
    for folder, start in SOURCES:
        for path in sorted((root / folder).rglob("*.py")):
            parts = path.relative_to(root / start).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            lines = len(path.read_text().splitlines())
            by_name[name] = Module(name, path, path.parent.relative_to(root).as_posix(), lines)
    return by_name


def file_graph(by_name: Mapping[str, Module]) -> dict[str, set[str]]:
    """The modules that each module imports."""
    return {name: set(_imports(module, by_name)) - {name} for name, module in by_name.items()}


def folder_graph(by_name: Mapping[str, Module], files: Graph) -> dict[str, set[str]]:
    """The folders that each folder imports."""
    folders: dict[str, set[str]] = {module.folder: set() for module in by_name.values()}
    for name, imported in files.items():
        folder = by_name[name].folder
        folders[folder] |= {by_name[other].folder for other in imported} - {folder}
    return folders


def circle(graph: Graph) -> list[str]:
    """Names that import each other in a circle, the first one repeated at the end; empty if there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(reversed(error.args[1]))
    return []


def longest_chain(graph: Graph) -> list[str]:
    """The longest chain of names in which each imports the next; the graph has no circle."""

    @cache
    def chain(name: str) -> tuple[str, ...]:
        return (name, *max((chain(other) for other in sorted(graph[name])), key=len, default=()))

    return list(max((chain(name) for name in sorted(graph)), key=len, default=()))


def upward(folders: Graph) -> list[tuple[str, str]]:
    """Imports between folders that do not point down the list `ORDER`."""
    return [
        (folder, other)
        for folder, imported in sorted(folders.items())
        for other in sorted(imported)
        if _rank(folder) is not None and (_rank(other) is None or _rank(folder) >= _rank(other))  # type: ignore[operator]
    ]


def long_files(root: Path = ROOT) -> list[tuple[str, int]]:
    """Python files with more than `MAX_LINES` lines, tests and benchmarks too: path and lines."""
    sizes = (
        (path.relative_to(root).as_posix(), len(path.read_text().splitlines()))
        for folder in SIZED
        for path in sorted((root / folder).rglob("*.py"))
    )
    return [(path, lines) for path, lines in sizes if lines > MAX_LINES]


def _imports(module: Module, by_name: Mapping[str, Module]) -> Iterator[str]:
    for node in ast.walk(ast.parse(module.path.read_text())):
        names: Iterable[str] = ()
        if isinstance(node, ast.Import):
            names = (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            # `from package import module` imports the module; of what else it names, the package.
            dotted = [f"{node.module}.{alias.name}" for alias in node.names]
            names = (name if name in by_name else node.module for name in dotted)
        yield from (name for name in names if name in by_name)


def _rank(folder: str) -> int | None:
    for rank, patterns in enumerate(ORDER):
        if folder in patterns or f"{folder.rpartition('/')[0]}/*" in patterns:
            return rank
    return None


def graphs(root: Path = ROOT) -> tuple[dict[str, Module], dict[str, set[str]], dict[str, set[str]]]:
    """The modules, what each of them imports, and what each folder imports."""
    by_name = modules(root)
    files = file_graph(by_name)
    return by_name, files, folder_graph(by_name, files)


def faults(root: Path = ROOT) -> list[str]:
    """Where the rules of the layout are broken, a sentence each."""
    _, files, folders = graphs(root)
    sentences = [
        f"{kind} import each other in a circle: {' -> '.join(names)}"
        for kind, graph in (("files", files), ("folders", folders))
        if (names := circle(graph))
    ]
    sentences += [f"{folder} must not import {other}" for folder, other in upward(folders)]
    if not circle(folders) and (length := len(longest_chain(folders)) - 1) > MAX_CHAIN:
        sentences.append(f"the longest chain of folders has {length} imports, more than {MAX_CHAIN}")
    return sentences + [f"{path} has {lines} lines, more than {MAX_LINES}" for path, lines in long_files(root)]


def main() -> int:
    """Print the graph; 1 where a rule is broken."""
    by_name, files, folders = graphs()
    sizes: dict[str, list[int]] = defaultdict(list)
    for module in by_name.values():
        sizes[module.folder].append(module.lines)
    print(f"{'folder':<40} {'files':>5} {'lines':>6}  imports")
    for folder in sorted(folders):
        imported = ", ".join(sorted(other.rpartition("/")[2] for other in folders[folder]))
        print(f"{folder:<40} {len(sizes[folder]):>5} {sum(sizes[folder]):>6}  {imported}")
    for kind, graph in (("folders", folders), ("files", files)):
        if not circle(graph):
            chain = longest_chain(graph)
            print(f"Longest chain of {kind}, {len(chain) - 1} imports: {' -> '.join(chain)}")
    sentences = faults()
    for sentence in sentences:
        print(sentence, file=sys.stderr)
    return 1 if sentences else 0


if __name__ == "__main__":
    sys.exit(main())
