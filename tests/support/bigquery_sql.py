"""What the statements of a query are, which parameters they use, and which tables they name."""

from collections.abc import Iterator

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.tokens import TokenType


def read_sql(sql: str) -> tuple[list[str], set[str], list[str]]:
    """The kind of each statement, the names of the parameters used, and the tables."""
    kinds, used, tables = [], set(), []
    try:
        for kind, text in _statements(sql):
            # sqlglot knows no ASSERT; what it asserts is an expression with an alias, as in a SELECT.
            tree = sqlglot.parse_one(f"SELECT {text[len(kind) :]}" if kind == "ASSERT" else text, dialect="bigquery")
            query = isinstance(tree, exp.Query) and not tree.find(exp.DML)
            kinds.append(kind if kind == "ASSERT" else "SELECT" if query else kind)
            used |= {parameter.name for parameter in tree.find_all(exp.Parameter)}
            tables += [table.sql(dialect="bigquery") for table in tree.find_all(exp.Table)]
    except SqlglotError as error:
        kinds.append(f"unreadable: {error}")
    return kinds, used, tables


def _statements(sql: str) -> Iterator[tuple[str, str]]:
    """The first word of each statement, upper case, and its text."""
    tokens = sqlglot.tokenize(sql, read="bigquery")
    while tokens:
        ends = [n for n, token in enumerate(tokens) if token.token_type == TokenType.SEMICOLON]
        length = ends[0] if ends else len(tokens)
        if length:
            yield tokens[0].text.upper(), sql[tokens[0].start : tokens[length - 1].end + 1]
        tokens = tokens[length + 1 :]
