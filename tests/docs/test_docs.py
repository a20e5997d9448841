"""What the documents name exists: files, headings, make targets, settings, commands; and the cost is counted right."""

import re
import subprocess
from pathlib import Path

import pytest
import typer

from lumbung.catalog import audit as audits
from lumbung.catalog import query as queries
from lumbung.catalog.contract import Catalog
from lumbung.cli.main import app
from lumbung.core.settings import NAMES, variable

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("data-source/*.md")])
TEXTS = {path: path.read_text() for path in PAGES}
FENCED = re.compile(r"^( *)```.*?^\1```", re.MULTILINE | re.DOTALL)
MINIMUM_MB = 10  # what BigQuery bills at least for each table that a query refers to

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))


def code(page: Path) -> list[str]:
    """Each line of a page's code blocks, and each inline code."""
    text = TEXTS[page]
    lines = [line.strip() for block in FENCED.finditer(text) for line in block[0].splitlines()[1:-1]]
    return lines + re.findall(r"`([^`\n]+)`", FENCED.sub("", text))


def anchors(page: Path) -> set[str]:
    """The headings as links name them."""
    headings = re.findall(r"^#+ (.*)$", FENCED.sub("", TEXTS[page]), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def all_commands(group: object = None, prefix: str = "") -> dict[str, object]:
    """Each command by name; those of a group as `group command`, also of groups in groups."""
    commands = {}
    for name, command in (group or typer.main.get_command(app)).commands.items():
        is_group = hasattr(command, "commands")
        commands |= all_commands(command, f"{prefix}{name} ") if is_group else {f"{prefix}{name}": command}
    return commands


@each_page
def test_links_and_images_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", FENCED.sub("", TEXTS[page])):
        if re.match(r"[a-z]+://", target):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), f"{target}: no such file"
        if anchor:
            assert anchor in anchors(file), f"{target}: no such heading"


def test_pages_that_code_names_exist():
    files = subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).splitlines()
    for file in files:
        if Path(file).suffix in (".md", ".py", ".sh", ".yaml", ".drawio", ".svg", ".example", ""):
            named = re.findall(r"(?<![\w/.-])docs/[\w./-]+\.(?:md|json|svg|png)", (ROOT / file).read_text())
            assert [name for name in named if not (ROOT / name).exists()] == [], file


@each_page
def test_make_targets_exist(page):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {match[1] for line in code(page) if (match := re.match(r"make ([a-z-]+)", line))}
    assert named <= targets


@each_page
def test_settings_exist(page):
    assert set(re.findall(r"LUMBUNG_[A-Z_]*[A-Z]", TEXTS[page])) <= {variable(name) for name in NAMES}


def test_every_setting_is_explained():
    explained = re.findall(r"^#?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    compose = set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "docker-compose.yaml").read_text()))
    settings = {variable(name) for name in NAMES}
    # Airflow explains its connections itself; Compose reads its profiles by itself.
    expected = settings | {name for name in compose if not name.startswith("AIRFLOW_CONN_")} | {"COMPOSE_PROFILES"}
    assert sorted(explained) == sorted(expected)


@each_page
def test_commands_and_their_options_exist(page):
    commands = all_commands()
    names = {name.rpartition(" ")[0] for name in commands if " " in name}
    groups = "|".join(sorted(names, key=len, reverse=True))  # the longest first
    for line in code(page):
        if not (match := re.match(rf"(?:\S*/)?lumbung ((?:(?:{groups}) )?[a-z]\S*)(.*)", line)):
            continue
        if match[1] in groups.split("|"):  # the group as such
            continue
        name, rest = match[1], match[2].partition("#")[0]
        assert name in commands, line
        if name != "airflow":  # its options are Airflow's own
            known = {option for one in commands[name].params for option in one.opts}
            assert set(re.findall(r"(?<!\S)--[a-z-]+", re.sub(r'"[^"]*"', "", rest))) <= known, line


def test_every_command_has_a_row():
    page = TEXTS[ROOT / "docs/reference/commands.md"]
    assert set(all_commands()) <= set(re.findall(r"`lumbung ([a-z -]+)`", page))


def test_every_setting_has_a_row():
    page = TEXTS[ROOT / "docs/reference/settings.md"]
    rows = "".join(line for line in page.splitlines() if line.startswith("|"))
    assert {variable(name) for name in NAMES} == set(re.findall(r"`((?:LUMBUNG|BIGQUERY)_[A-Z_]+)`", rows))


@each_page
def test_pages_are_short(page):
    lines = TEXTS[page].splitlines()
    assert len(lines) < 200 or page.name == "measurements.md", "which is written by `make bench`, a table for a measure"
    assert [line for line in lines if len(line) > 120] == []


def test_the_index_has_every_page():
    index = ROOT / "docs/README.md"
    linked = {(index.parent / target).resolve() for target in re.findall(r"\]\(([^)#]+\.md)\)", TEXTS[index])}
    decisions = set((ROOT / "docs/decisions").glob("0*.md"))  # these have an index of their own
    assert {page for page in PAGES if page.is_relative_to(ROOT / "docs")} - linked - decisions - {index} == set()


def test_the_cost_of_a_day_is_counted_right():
    tables = re.compile(r"`p\.\w+\.\w+`")
    counted = {"build": [0, 0], "audit": [0, 0]}

    def count(part, query):
        counted[part][0] += 1
        counted[part][1] += len(set(tables.findall(query)))

    def names(address):
        return f"p.{address}"

    for contract in Catalog().contracts.values():
        if not contract.sql_path.exists():
            continue
        count("build", queries.render(contract, names))
        if checks := audits.query(contract, names):
            count("audit", checks)
    counted["**a day**"] = [sum(counts) for counts in zip(*counted.values(), strict=True)]
    page = TEXTS[ROOT / "docs/reference/bigquery.md"].replace("**", "")
    for part, (count_of_queries, referred) in counted.items():
        row = f"| {part} | {count_of_queries} | {referred} | {referred * MINIMUM_MB} MB |".replace("**", "")
        assert row in page, f"docs/reference/bigquery.md should say {row}"
