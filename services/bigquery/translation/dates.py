"""Dates and times: parts of a second, differences, elements of formats."""

import re
from typing import Any

from local_bigquery.errors import BigQueryError
from local_bigquery.sql.rules import datetime
from local_bigquery.sql.rules.typing import kind
from sqlglot import exp

from bigquery.translation.macros import macro

Type = exp.DataType.Type
# As local-bigquery's, and %e, which sqlglot writes as %-d.
FORMAT_ELEMENTS = re.compile(r"(%E(?:\d|\*)S|%E4Y|%Ez|%Q|%s|%z|%Z|%R|%Y|%-d|%e)")
ZONE_AFTER_TIME = re.compile(r":\d+(\.\d+)?\s*([zZ]|[+-]\d|[A-Za-z])")
TIMES = {Type.TIMESTAMP, Type.TIMESTAMPTZ}
BELOW_A_SECOND = {"MILLISECOND": 1000, "MICROSECOND": 1_000_000}

_element = datetime._element


def call(name: str, *arguments: exp.Expression) -> exp.Expression:
    """Return a call of a function of DuckDB."""
    return exp.Anonymous(this=name, expressions=[*arguments])


def element(piece: str, local: exp.Expression, instant: exp.Expression | None, zone: Any) -> exp.Expression:
    """Return the text of one element of a format. In place of local-bigquery's `_element`.

    Args:
        piece: the element, or what stands between elements.
        local: the time, without a zone.
        instant: the time as TIMESTAMP, where it is one.
        zone: its zone.
    """
    match piece:
        case "%e" | "%-d":
            day = exp.cast(call("day", local.copy()), "VARCHAR")
            return call("lpad", day, exp.Literal.number(2), exp.Literal.string(" "))
        case "%E*S":
            return macro("_fraction_seconds", local.copy())
        case "%Z" if instant is None:
            return exp.Literal.string(piece)
    text: exp.Expression = _element(piece, local, instant, zone)
    return text


def parts_of_a_second(node: exp.Expression, _context: Any) -> exp.Expression:
    """EXTRACT of MILLISECOND and MICROSECOND is the part of the second; DuckDB counts the seconds too."""
    if isinstance(node, exp.Extract) and (size := BELOW_A_SECOND.get(node.this.name.upper())):
        return exp.Anonymous(this="mod", expressions=[node, exp.Literal.number(size)])
    return node


def floor_of_millis(node: exp.Expression, _context: Any) -> exp.Expression:
    """UNIX_MILLIS before 1970 rounds down; DuckDB rounds towards zero."""
    if isinstance(node, exp.UnixMillis):
        micros = exp.Anonymous(this="epoch_us", expressions=[node.this])
        quotient = exp.Div(this=micros, expression=exp.Literal.number(1000))
        return exp.cast(exp.Anonymous(this="floor", expressions=[quotient]), "BIGINT")
    return node


def difference_in_hours(node: exp.Expression, _context: Any) -> exp.Expression:
    """The difference of two TIMESTAMPs is in hours; DuckDB's is in days."""
    if isinstance(node, exp.Sub) and {kind(node.this), kind(node.expression)} == {Type.TIMESTAMPTZ}:
        later, earlier = (call("epoch_us", side) for side in (node.this, node.expression))
        micros = exp.Sub(this=later, expression=earlier)
        made = call("to_microseconds", micros)
        made.type = exp.DataType.build("INTERVAL")
        return made
    return node


def truncated_type(node: exp.Expression, _context: Any) -> exp.Expression:
    """DATE_TRUNC of a TIMESTAMP or DATETIME keeps its type."""
    if not (isinstance(node, exp.Cast) and node.to.this == Type.DATE and isinstance(node.this, exp.Anonymous)):
        return node
    truncates = node.this.name == "date_trunc"
    return node.this if truncates and kind(node.this.expressions[1]) in TIMES else node


def zone_given_twice(node: exp.Expression, _context: Any) -> exp.Expression:
    """TIMESTAMP with a zone refuses a text that has a zone of its own."""
    if not (isinstance(node, exp.Timestamp) and node.args.get("zone") and isinstance(node.this, exp.Literal)):
        return node
    if ZONE_AFTER_TIME.search(node.this.name):
        raise BigQueryError("invalidQuery", f'Timezone is not allowed in "{node.this.name}"')
    return node


NODE_RULES = [zone_given_twice, truncated_type, parts_of_a_second, floor_of_millis, difference_in_hours]
