"""Writes docs/reference/local-bigquery.md, the page of differences between the local server and BigQuery.

    .venv/bin/python tools/differences.py

It is made from the table of known differences, which the tests compare with both engines.
"""

import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "tests" / "services" / "bigquery" / "differential"
PAGE = ROOT / "docs" / "reference" / "local-bigquery.md"
SECTIONS = {
    "Other results": (
        ("value", "type", "name"),
        "BigQuery gives another value, type or name, and nothing says so.",
    ),
    "Accepted, though BigQuery refuses it": (("accepted",), "Such a query fails in the cloud."),
    "Refused, though BigQuery takes it": (("refused",), "Such a query fails on a laptop only."),
}


def page() -> str:
    """Return the page's text."""
    entries = yaml.safe_load((FOLDER / "differences.yaml").read_text())
    files = [path for path in FOLDER.glob("*.txt") if path.stem != "unanswered"]
    lines = [line for path in files for line in path.read_text().splitlines() if line.strip() and line[0] != "#"]
    parts = [INTRODUCTION.format(probes=len(lines))]
    for title, (kinds, text) in SECTIONS.items():
        chosen = [entry for entry in entries if entry["kind"] in kinds]
        parts += [f"## {title}", f"{len(chosen)} probes. {text}", "\n".join(reasons(chosen))]
    return "\n\n".join(parts) + "\n"


def reasons(entries: list[dict[str, str]]) -> Iterator[str]:
    """Yield the lines of a list of reasons, the probes under each."""
    for why in dict.fromkeys(entry["why"] for entry in entries):
        yield from textwrap.wrap(f"- {why}", 118, subsequent_indent="  ", break_on_hyphens=False)
        yield from (f"  - {differing(entry)}" for entry in entries if entry["why"] == why)


def differing(entry: dict[str, str]) -> str:
    """Return a probe and, where neither engine refuses it, the two answers."""
    sides = {name: entry[key] for name, key in (("BigQuery", "bigquery"), ("here", "local"))}
    if any(said.startswith("refused: ") for said in sides.values()):
        return code(entry["probe"], 110)
    given = (f"{name} {code(said, 20)}" for name, said in sides.items())
    return f"{code(entry['probe'], 50)}: {', '.join(given)}"


def code(text: str, width: int) -> str:
    """Return a text in backticks, cut where it is longer than so many characters."""
    return f"`{text if len(text) <= width else text[: width - 1] + '…'}`"


INTRODUCTION = """# The local BigQuery server and BigQuery

<!-- Made by tools/differences.py from tests/services/bigquery/differential/differences.yaml: change that. -->

The local server translates GoogleSQL to DuckDB's SQL. Each query is first analysed by Google's own engine, where it is
installed: what that refuses is refused with its words, and the result has its names and types. Values come from DuckDB.
Where they would differ, the query is translated (`services/bigquery/translation/`) or refused as not supported locally.
What is left is on this page: the differences over {probes} probes, expressions and queries over functions, types and
clauses in `tests/services/bigquery/differential/`. The tests ask both engines all of them, and fail on a difference
that is not here and on one that is gone.

Not analysed, so it runs as DuckDB has it, and mistakes show only in the cloud:

- scripts, and all statements but queries: DML (INSERT, UPDATE, DELETE, MERGE) and DDL, with the query of
  `CREATE TABLE … AS SELECT`, too;
- queries over `INFORMATION_SCHEMA`, temporary tables, wildcard tables (`events_*`) and partitions (`table$20260101`);
- queries with pseudo-columns (`_PARTITIONTIME`, `_PARTITIONDATE`, `_TABLE_SUFFIX`, `_FILE_NAME`), system variables
  (`@@…`) or positional parameters (`?`);
- queries that call what the engine lacks: `SEARCH`, `CONTAINS_SUBSTR`, `MAX_BY`, `MIN_BY`, `COLLATE`, routines, models.

STRUCTs meet by position, as in BigQuery, where they are written as `STRUCT(…)`. Columns of tables that are STRUCTs with
other names of members meet by name, as DuckDB has it: in CASE, IF, COALESCE, arrays, comparisons, set operations and
INSERT. A STRUCT that meets such a column, and one with two members of one name, has members without names.

Loads with a schema refuse what BigQuery's documents refuse: a Parquet column whose type does not convert to the
table's, a field that the schema lacks (unless `ignoreUnknownValues`), 1.5 in an INT64 column of JSON or CSV. The error
of a value names the row and the field. Names match whatever their case. JSON that spells one name in several ways is
refused here only, and so are, with `maxBadRecords`, rows with an unknown field, which BigQuery counts as bad ones."""


if __name__ == "__main__":
    sys.exit(PAGE.write_text(page()) and None)
