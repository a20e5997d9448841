#!/usr/bin/env bash
# GoogleSQL (BigQuery) resolves names in GROUP BY to the SELECT list first; DuckDB to the tables' columns.
#
# Expected: `SELECT t.t … FROM x AS t GROUP BY t.t` groups by the column t of the table t, and `SELECT UPPER(x) AS x …
# GROUP BY x` groups by the column x, as in PostgreSQL and DuckDB. What happens: GoogleSQL takes `t` for the selected
# column and refuses the first query ("Cannot GROUP BY field references from SELECT list alias t"), and groups the second
# by UPPER(x): other groups, without a word.
# Why it matters: SQL that is developed or tested on DuckDB is refused by BigQuery, or counts something else there.
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

TABLE_ALIAS = "SELECT t.t, COUNT(*) AS n FROM (SELECT 'a' AS t) AS t GROUP BY t.t"
COLUMN = "SELECT UPPER(x) AS x, COUNT(*) AS n FROM (SELECT 'a' AS x UNION ALL SELECT 'A') AS s GROUP BY x"
language = LanguageOptions.maximum_features()
options = AnalyzerOptions(language_options=language)
functions = ZetaSQLBuiltinFunctionOptions(language_options=language)
catalog = CatalogBuilder("c").with_builtin_functions(functions).build()


def googlesql(sql):
    """The number of rows, or why it is refused."""
    builder = PreparedQuery.builder().set_sql(sql).set_analyzer_options(options).set_catalog(catalog)
    try:
        with builder.prepare() as query:
            return len(query.execute().content.table_data.row)
    except Exception as error:  # whatever class the package raises, the text counts
        return str(error)


print(f"Python {sys.version.split()[0]}, zetasql {version('zetasql')}, duckdb {duckdb.__version__}")
seen = {}
for name, sql in (("table alias", TABLE_ALIAS), ("column", COLUMN)):
    seen[name] = googlesql(sql), len(duckdb.sql(sql).fetchall())
    print(f"{sql}\n  GoogleSQL: {seen[name][0]}\n  DuckDB: {seen[name][1]}")
refused = "Cannot GROUP BY field references from SELECT list alias t" in str(seen["table alias"][0])
as_found = refused and seen["table alias"][1] == 1 and seen["column"] == (1, 2)
sys.exit(0 if as_found else f"changed: {seen}")
PYTHON
venv/bin/python finding.py
