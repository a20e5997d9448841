#!/usr/bin/env bash
# GoogleSQL (BigQuery): in a query that reads a table `tweet`, the name `tweet` is the whole row, not the column `tweet`.
#
# Expected: `SELECT tweet FROM tweet` gives the column, as in PostgreSQL and DuckDB, where a column's name goes before a
# table's. What happens: the table's name, or its alias, hides its column: the result is a STRUCT of the whole row, and
# `COUNT(tweet)` counts rows whose column is NULL, without a word.
# Why it matters: SQL that is developed or tested on DuckDB gives another type, or another number, on BigQuery.
#
# Needs Python 3.13 and half a minute, as Google's engine is compiled from WebAssembly.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install zetasql==0.1.5 duckdb==1.5.5
cat >finding.py <<'PYTHON'
import sys
from importlib.metadata import version

import duckdb
from zetasql.api import CatalogBuilder, PreparedQuery
from zetasql.types import AnalyzerOptions, LanguageOptions, ZetaSQLBuiltinFunctionOptions

ROWS = "WITH tweet AS (SELECT 'a' AS tweet, 1 AS id UNION ALL SELECT NULL, 2)"
NUMBER = f"{ROWS} SELECT COUNT(tweet) AS n FROM tweet"
QUALIFIED = f"{ROWS} SELECT COUNT(tweet.tweet) AS n FROM tweet"
language = LanguageOptions.maximum_features()
options = AnalyzerOptions(language_options=language)
functions = ZetaSQLBuiltinFunctionOptions(language_options=language)
catalog = CatalogBuilder("c").with_builtin_functions(functions).build()


def googlesql(sql):
    """The number that a query gives."""
    builder = PreparedQuery.builder().set_sql(sql).set_analyzer_options(options).set_catalog(catalog)
    with builder.prepare() as query:
        (row,) = query.execute().content.table_data.row
        return row.cell[0].int64_value


print(f"Python {sys.version.split()[0]}, zetasql {version('zetasql')}, duckdb {duckdb.__version__}")
seen = {}
for sql in (NUMBER, QUALIFIED):
    seen[sql] = googlesql(sql), duckdb.sql(sql).fetchall()[0][0]
    print(f"{sql}\n  GoogleSQL: {seen[sql][0]}\n  DuckDB: {seen[sql][1]}")
sys.exit(0 if list(seen.values()) == [(2, 1), (1, 1)] else f"changed: {seen}")
PYTHON
venv/bin/python finding.py
