#!/usr/bin/env bash
# sqlglot's lineage reports no columns for a whole row, as for a constant, and reports a column that does not exist.
#
# Expected: lineage(column, sql, schema, dialect="bigquery") knows the columns of every table, so each output column
# leads to the columns that its value is made of, or it says that it cannot tell.
# What happens: TO_JSON_STRING(t) and ARRAY_AGG(t), where t names a table's row, have a single leaf, themselves, as a
# literal has: qualify makes t a TableColumn, and lineage follows only Column. So does EXISTS (SELECT ...). The other way
# round, a column that the schema does not have is given to the only table of the FROM clause as if it had it, while with
# two tables it is a Placeholder. A field of a STRUCT that the query itself makes leads to all fields of that STRUCT.
# Why it matters: a column of personal data that goes into a JSON text is not found when one asks what it flows into,
# and a misspelt column passes for a known one. What helps: walk the scopes (sqlglot.optimizer.build_scope) and follow
# TableColumn, sub-queries and STRUCT fields too, and look up each leaf in the schema.
#
# Needs Python 3.10 or later with venv.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q sqlglot==30.30.0
"$work/venv/bin/python" - <<'END'
import sys

import sqlglot
from sqlglot.lineage import lineage

SCHEMA = {"d": {"t": {"a": "STRING", "b": "STRING"}, "u": {"p": "STRING"}}}
QUERIES = {
    "a column": "SELECT t.a AS x FROM d.t AS t",
    "a literal": "SELECT 'k' AS x FROM d.t AS t",
    "a whole row as JSON": "SELECT TO_JSON_STRING(t) AS x FROM d.t AS t",
    "whole rows": "SELECT ARRAY_AGG(t) AS x FROM d.t AS t",
    "EXISTS": "SELECT EXISTS(SELECT 1 FROM d.u AS u WHERE u.p = t.a) AS x FROM d.t AS t",
    "no such column": "SELECT nowhere AS x FROM d.t AS t",
    "no such column, two tables": "SELECT nowhere AS x FROM d.t AS t CROSS JOIN d.u AS u",
    "a field of a STRUCT": "SELECT s.f AS x FROM (SELECT STRUCT(a AS f, b AS g) AS s FROM d.t)",
}


def leaves(sql):
    nodes = lineage("x", sql, schema=SCHEMA, dialect="bigquery").walk()
    return sorted(f"{node.name} ({type(node.expression).__name__})" for node in nodes if not node.downstream)


print(f"Python {sys.version.split()[0]}, sqlglot {sqlglot.__version__}")
seen = {name: leaves(sql) for name, sql in QUERIES.items()}
for name, found in seen.items():
    print(f"{name:<28}{', '.join(found)}")
expected = {
    "a column": ["t.a (Table)"],
    "a literal": ["x (Alias)"],
    "a whole row as JSON": ["x (Alias)"],
    "whole rows": ["x (Alias)"],
    "EXISTS": ["1 (Alias)"],
    "no such column": ["t.nowhere (Table)"],
    "no such column, two tables": ["nowhere (Placeholder)"],
    "a field of a STRUCT": ["t.a (Table)", "t.b (Table)"],
}
sys.exit(seen != expected)
END
