"""Functions of text: positions below 1, white space, refused arguments."""

import re
from typing import Any

from local_bigquery.errors import BigQueryError
from local_bigquery.sql.rules.typing import BYTES, kind
from sqlglot import exp

from bigquery.translation.macros import macro

# Unicode's White_Space, which TRIM removes.
WHITE_SPACE = "\t\n\v\f\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"


def is_natural(node: exp.Expression | None) -> bool:
    """Return whether an argument is missing or a literal number, which has no sign."""
    return node is None or (isinstance(node, exp.Literal) and node.is_number)


def non_negative(node: exp.Expression, message: str) -> exp.Expression:
    """Return an argument that refuses negative numbers with BigQuery's message."""
    return node if is_natural(node) else macro("_non_negative", node, exp.Literal.string(message))


def substr_positions(node: exp.Expression, _context: Any) -> exp.Expression:
    """SUBSTR from position 0, or from before the start, begins at the start; a negative length is refused."""
    if not isinstance(node, exp.Substring) or kind(node.this) in BYTES:
        return node
    start, length = node.args.get("start"), node.args.get("length")
    if start is not None and not (is_natural(start) and start.name != "0"):
        node.set("start", macro("_position", node.this.copy(), start))
    if length is not None:
        node.set("length", non_negative(length, "Third argument in SUBSTR() cannot be negative"))
    return node


def trim_white_space(node: exp.Expression, _context: Any) -> exp.Expression:
    """TRIM without characters removes all white space, not blanks alone."""
    if isinstance(node, exp.Trim) and node.expression is None and not node.args.get("expression"):
        node.set("expression", exp.Literal.string(WHITE_SPACE))
    return node


def negative_lengths(node: exp.Expression, _context: Any) -> exp.Expression:
    """LEFT, RIGHT, REPEAT, LPAD and RPAD refuse a negative number."""
    match node:
        case exp.Left() | exp.Right():
            name = type(node).__name__.upper()
            node.set("expression", non_negative(node.expression, f"Second argument in {name}() cannot be negative"))
        case exp.Repeat():
            message = "Second argument (repeat count) for REPEAT cannot be negative"
            node.set("times", non_negative(node.args["times"], message))
        case exp.Pad():
            message = "Second argument (output size) for LPAD/RPAD cannot be negative"
            node.set("expression", non_negative(node.expression, message))
    return node


def code_points(node: exp.Expression, _context: Any) -> exp.Expression:
    """ASCII refuses other characters; UNICODE of an empty text is 0."""
    if isinstance(node, exp.Ascii):
        return macro("_ascii", node.this)
    if isinstance(node, exp.Unicode):
        empty = exp.EQ(this=node.this.copy(), expression=exp.Literal.string(""))
        return exp.Case(ifs=[exp.If(this=empty, true=exp.Literal.number(0))], default=node)
    return node


def instr_arguments(node: exp.Expression, _context: Any) -> exp.Expression:
    """INSTR refuses the position 0 and the occurrence 0."""
    if isinstance(node, exp.Anonymous) and node.name.lower() == "bq.main.instr":
        for argument, message in zip(
            node.expressions[2:], ("Position must be non-zero", "Occurrence must be positive"), strict=False
        ):
            if isinstance(argument, exp.Literal) and argument.name == "0":
                raise BigQueryError("invalidQuery", message)
    return node


def translate_duplicates(node: exp.Expression, _context: Any) -> exp.Expression:
    """TRANSLATE refuses a source character that is there twice."""
    if isinstance(node, exp.Translate) and isinstance(source := node.args.get("from_"), exp.Literal):
        for index, character in enumerate(source.this):
            if character in source.this[:index]:
                raise BigQueryError("invalidQuery", f'Duplicate character "{character}" in TRANSLATE source characters')
    return node


def capturing_groups(node: exp.Expression, _context: Any) -> exp.Expression:
    """REGEXP_EXTRACT refuses a pattern with more than one capturing group."""
    if isinstance(node, exp.RegexpExtract | exp.RegexpExtractAll) and isinstance(
        node.expression, exp.Literal | exp.RawString
    ):
        groups = re.findall(r"(?:\\.|\[\^?\]?[^\]]*\])|(\((?!\?)|\(\?P?<\w)", node.expression.this)
        if sum(map(bool, groups)) > 1:
            message = "Regular expressions passed into extraction functions must not have more than 1 capturing group"
            raise BigQueryError("invalidQuery", message)
    return node


def replaced_bytes(node: exp.Expression, _context: Any) -> exp.Expression:
    """SAFE_CONVERT_BYTES_TO_STRING puts U+FFFD for what is not UTF-8."""
    if isinstance(node, exp.Anonymous) and node.name.lower() == "bq.main.safe_convert_bytes_to_string":
        return exp.Anonymous(this="_replaced_utf8", expressions=node.expressions)
    return node


NODE_RULES = [
    replaced_bytes,
    substr_positions,
    trim_white_space,
    negative_lengths,
    code_points,
    instr_arguments,
    translate_duplicates,
    capturing_groups,
]
