"""Rules of the translation from GoogleSQL to DuckDB's SQL where local-bigquery's own give other values than BigQuery.

Each is a function `(node or statement, context) -> expression` that stands alone, as local-bigquery's rules are.
"""

from pathlib import Path

from local_bigquery.engine import database
from local_bigquery.sql import native
from local_bigquery.sql.rules import NODE_RULES, STATEMENT_RULES, datetime, literals, strings, typing

from bigquery.translation import arrays, casts, clauses, dates, formats, json_text, numbers, structs, texts

NUMERIC = "DECIMAL(38, 9)"


def install() -> None:
    """Put the rules before local-bigquery's, or in place of those that they replace."""
    NODE_RULES.remove(typing.nan_first)
    NODE_RULES.remove(literals.byte_string)
    # sqlglot has decoded the escapes already: decoded once more, '\\\\x41' would be an A.
    NODE_RULES.remove(strings.string_escapes)
    NODE_RULES.remove(strings.format_)
    modules = (formats, json_text, dates, casts, texts, numbers, arrays)
    NODE_RULES[:0] = [rule for module in modules for rule in module.NODE_RULES]
    STATEMENT_RULES[:0] = [*clauses.STATEMENT_RULES, *structs.STATEMENT_RULES]
    datetime.FORMAT_ELEMENTS, datetime._element = dates.FORMAT_ELEMENTS, dates.element
    native.FUNCTIONS["_json_text"] = (json_text.encode, ["VARCHAR", "VARCHAR", "BOOLEAN"], "VARCHAR")
    native.FUNCTIONS["_written_number"] = (json_text.written_number, ["VARCHAR", "VARCHAR"], "VARCHAR")
    native.FUNCTIONS["_first_members"] = (json_text.first_members, ["VARCHAR"], "VARCHAR")
    native.FUNCTIONS["_numeric_divide"] = (numbers.divide, [NUMERIC, NUMERIC], NUMERIC)
    native.FUNCTIONS["_replaced_utf8"] = (lambda content: content.decode(errors="replace"), ["BLOB"], "VARCHAR")
    database.FUNCTIONS.append(Path(__file__).with_name("macros.sql"))
