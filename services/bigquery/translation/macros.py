"""Calls of what `macros.sql` defines."""

from sqlglot import exp


def macro(name: str, *arguments: exp.Expression) -> exp.Expression:
    """Return a call of a macro."""
    return exp.Anonymous(this=f"bq.main.{name}", expressions=[*arguments])
