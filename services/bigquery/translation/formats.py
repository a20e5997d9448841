"""FORMAT: each specifier becomes an expression of its own."""

import re
from typing import Any

from local_bigquery.errors import BigQueryError
from local_bigquery.sql.rules.typing import DECIMALS, FLOATS, TEXT, kind
from sqlglot import exp

from bigquery.translation.macros import macro
from bigquery.translation.numbers import INTEGERS, unsupported

SPECIFIER = re.compile(r"%(?:%|(?P<flags>[-+ #0']*)(?P<width>\d*|\*)(?:\.(?P<digits>\d+|\*))?(?P<letter>[a-zA-Z]))")
Type = exp.DataType.Type


def format_pieces(node: exp.Expression, _context: Any) -> exp.Expression:
    """Write FORMAT as the concatenation of its pieces; DuckDB's printf groups by ', and has no %t and %T."""
    if not isinstance(node, exp.Format):
        return node
    if not (isinstance(node.this, exp.Literal) and node.this.is_string):
        raise unsupported("FORMAT with a format that is not a literal")
    template, position = node.this.name, 0
    arguments = list(node.expressions)
    pieces: list[exp.Expression] = []
    for found in SPECIFIER.finditer(template):
        pieces += literal(template[position : found.start()])
        position = found.end()
        pieces += literal("%") if found[0] == "%%" else [specified(found, arguments)]
    if arguments:
        raise BigQueryError("invalidQuery", "Too many arguments to FORMAT")
    pieces += literal(template[position:])
    made = pieces[0] if pieces else exp.Literal.string("")
    for piece in pieces[1:]:
        made = exp.DPipe(this=made, expression=piece)
    return exp.paren(exp.cast(made, "VARCHAR"))


def literal(text: str) -> list[exp.Expression]:
    """Return the text between specifiers, if there is any."""
    return [exp.Literal.string(text)] if text else []


def specified(found: re.Match[str], arguments: list[exp.Expression]) -> exp.Expression:
    """Return one argument as its specifier writes it, and take it from the arguments."""
    flags, width, digits, letter = found["flags"], found["width"], found["digits"], found["letter"]
    if letter not in "dixXofFeEgGstT" or width == "*" or digits == "*":
        raise unsupported(f"FORMAT with {found[0]}")
    if not arguments:
        raise BigQueryError("invalidQuery", "Too few arguments to FORMAT for pattern")
    value = arguments.pop(0)
    if letter in "tT":
        text = exp.Anonymous(this="coalesce", expressions=[printed(value, letter), exp.Literal.string("NULL")])
        return padded(text, flags, width)
    if "'" in flags:
        return padded(grouped(value, flags, digits, letter), flags.replace("'", ""), width)
    if letter in "fF" and kind(value) in DECIMALS and int(digits or 6) <= 9:
        exact = exp.Anonymous(this="round", expressions=[value, exp.Literal.number(digits or 6)])
        decimal = exp.DataType.build(f"DECIMAL(38, {digits or 6})", dialect="duckdb")
        return padded(exp.cast(exp.cast(exact, decimal), "VARCHAR"), flags, width)
    specifier = found[0].replace("%i", "%d")
    return exp.Anonymous(this="printf", expressions=[exp.Literal.string(specifier), value])


def printed(value: exp.Expression, letter: str) -> exp.Expression:
    """Return the text of %t, or the literal of %T."""
    source = kind(value)
    if source in INTEGERS | {Type.BOOLEAN, Type.NULL} or isinstance(value, exp.Null):
        return exp.cast(value, "VARCHAR")
    if letter == "T" and source == Type.DATE:
        date = exp.DPipe(this=exp.Literal.string('DATE "'), expression=exp.cast(value, "VARCHAR"))
        return exp.DPipe(this=date, expression=exp.Literal.string('"'))
    if source in FLOATS:
        return macro("_float_literal", value)
    if letter == "T" and source in TEXT:
        return macro("_string_literal", value)
    if letter == "T" or source in {Type.STRUCT, Type.ARRAY, Type.JSON, Type.BINARY, Type.VARBINARY}:
        raise unsupported(f"FORMAT of {source.value if source else 'this type'} with %{letter}")
    return value if source in TEXT else macro("_any_text", value)


def grouped(value: exp.Expression, flags: str, digits: str | None, letter: str) -> exp.Expression:
    """Return a number with a comma after each three digits."""
    if letter not in "difF" or set(flags) - {"'", "-"}:
        raise unsupported(f"FORMAT with %{flags}{letter}")
    template = "{:,}" if letter in "di" else f"{{:,.{digits or 6}f}}"
    return exp.Anonymous(this="format", expressions=[exp.Literal.string(template), value])


def padded(text: exp.Expression, flags: str, width: str) -> exp.Expression:
    """Return a text with blanks, at its end for the flag -, where it is shorter than the width."""
    if not width:
        return text
    if set(flags) - {"-"}:
        raise unsupported(f"FORMAT with the flags {flags} here")
    length = exp.Anonymous(this="greatest", expressions=[exp.Literal.number(width), exp.func("length", text.copy())])
    function = "rpad" if "-" in flags else "lpad"
    return exp.Anonymous(this=function, expressions=[text, exp.cast(length, "INT"), exp.Literal.string(" ")])


NODE_RULES = [format_pieces]
