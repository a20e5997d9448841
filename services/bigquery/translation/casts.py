"""CAST and SAFE_CAST as BigQuery's: which text they take, how they round, what they write; literals of BYTES."""

import re
from typing import Any

from local_bigquery.sql.rules.typing import BYTES, DECIMALS, FLOATS, TEXT, kind
from sqlglot import exp

from bigquery.translation.macros import macro

Type = exp.DataType.Type
UNKNOWN = {None, Type.UNKNOWN, Type.NULL}
TIMES = {Type.TIME, Type.TIMESTAMP, Type.TIMESTAMPTZ}
# The texts that BigQuery casts; DuckDB casts more ('1.9' and '1_0' to INT64, 'yes' to BOOL, '2026/01/02 x' to DATE).
NUMBER = r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*"
HEXADECIMAL = r"\s*[+-]?0[xX][0-9a-fA-F]+\s*"
DAY = r"(000[1-9]|00[1-9]\d|0[1-9]\d\d|[1-9]\d{3})-\d{1,2}-\d{1,2}"
HOUR = r"([01]?\d|2[0-3]):[0-5]?\d:[0-5]?\d(\.\d{1,6})?"
ZONE = r"([zZ]|[+-]\d{1,2}(:?\d{2})?|[A-Za-z_]+(/[A-Za-z_+-]+)*\d*)"
CASTABLE = {
    Type.BIGINT: ("Bad int64 value", rf"\s*[+-]?\d+\s*|{HEXADECIMAL}"),
    Type.DECIMAL: ("Invalid NUMERIC value", NUMBER),
    Type.BIGDECIMAL: ("Invalid BIGNUMERIC value", NUMBER),
    Type.DOUBLE: ("Bad double value", rf"(?i){NUMBER}|{HEXADECIMAL}|\s*[+-]?(inf|infinity|nan)\s*"),
    Type.BOOLEAN: ("Bad bool value", "(?i)true|false"),
    Type.DATE: ("Invalid date", DAY),
    Type.TIME: ("Invalid time string", HOUR),
    Type.TIMESTAMP: ("Invalid datetime string", rf"{DAY}([ Tt]{HOUR})?"),
    Type.TIMESTAMPTZ: ("Invalid timestamp", rf"{DAY}([ Tt]{HOUR})?( ?{ZONE})?"),
}


def is_safe(node: exp.Expression) -> bool:
    """Return whether a cast is SAFE_CAST."""
    return isinstance(node, exp.TryCast)


def checked_text(node: exp.Expression, _context: Any) -> exp.Expression:
    """Refuse a text that BigQuery does not cast; SAFE_CAST makes it NULL."""
    if not isinstance(node, exp.Cast) or node.args.get("format") or node.to.this not in CASTABLE:
        return node
    source = kind(node.this)
    if source not in TEXT | UNKNOWN or isinstance(node.this, exp.Null):
        return node
    message, pattern = CASTABLE[node.to.this]
    if source in TEXT and node.to.this in (Type.BIGINT, Type.DOUBLE) and may_be_hexadecimal(node.this):
        node.set("this", macro("_decimal_digits", node.this))
    elif isinstance(node.this, exp.Literal) and re.fullmatch(pattern, node.this.name):
        return node
    text = exp.cast(node.this.copy(), "VARCHAR")
    is_refused: exp.Condition = exp.not_(exp.func("regexp_full_match", text, exp.Literal.string(pattern)))
    if source not in TEXT:  # the type is known only when the query runs
        is_text = exp.func("typeof", node.this.copy()).eq(exp.Literal.string("VARCHAR"))
        is_refused = exp.and_(is_text, is_refused)
    error = exp.DPipe(this=exp.Literal.string(f"{message}: "), expression=text.copy())
    refusal = exp.null() if is_safe(node) else exp.Anonymous(this="_raise", expressions=[error])
    node.set("this", exp.case().when(is_refused, refusal).else_(node.this))
    return node


def may_be_hexadecimal(text: exp.Expression) -> bool:
    """Return whether a text may be a number such as -0x1F."""
    return not isinstance(text, exp.Literal) or re.fullmatch(HEXADECIMAL, text.name) is not None


def safe_cast_rounds_away_from_zero(node: exp.Expression, _context: Any) -> exp.Expression:
    """SAFE_CAST of 2.5 to INT64 is 3, as CAST's is; DuckDB rounds to even."""
    if isinstance(node, exp.Cast) and is_safe(node) and node.to.this == Type.BIGINT and kind(node.this) in FLOATS:
        node.set("this", exp.Anonymous(this="round", expressions=[node.this]))
    return node


def text_of_value(node: exp.Expression, _context: Any) -> exp.Expression:
    """Cast a number or a time to text as BigQuery writes it, and bytes as the UTF-8 that they are."""
    if not isinstance(node, exp.Cast) or node.args.get("format") or node.to.this not in TEXT:
        return node
    value, source = node.this, kind(node.this)
    if source in BYTES:
        decoded: exp.Expression = exp.Anonymous(this="decode", expressions=[value])
        made = exp.Anonymous(this="TRY", expressions=[decoded]) if is_safe(node) else decoded
    elif source in FLOATS:
        made = macro("_float_text", value)
    elif source in DECIMALS:
        made = macro("_decimal_text", value)
    elif source in TIMES:
        made = macro("_time_text", value)
    elif source == Type.INTERVAL:
        made = macro("_interval_string", value)
    elif source in UNKNOWN and isinstance(value, exp.Column | exp.Dot | exp.Bracket | exp.Subquery):
        made = macro("_any_text", value)
    else:
        return node
    made.type = exp.DataType.build("VARCHAR")
    return made


def string_of_time(node: exp.Expression, _context: Any) -> exp.Expression:
    """STRING of a time writes a fraction with 3 or 6 digits."""
    if isinstance(node, exp.String) and node.args.get("zone") is None and kind(node.this) in TIMES:
        return macro("_time_text", node.this)
    if isinstance(node, exp.Anonymous) and node.name.lower() == "bq.main._timestamp_string":
        return macro("_time_text", node)
    return node


def bytes_of_text(node: exp.Expression, _context: Any) -> exp.Expression:
    """Cast text to its bytes in UTF-8; DuckDB takes it for a literal with escapes, and refuses more than ASCII."""
    if isinstance(node, exp.Cast) and node.to.this in BYTES and kind(node.this) in TEXT:
        made = exp.Anonymous(this="encode", expressions=[node.this])
        made.type = exp.DataType.build("BLOB", dialect="duckdb")
        return made
    return node


def bytes_literal(node: exp.Expression, _context: Any) -> exp.Expression:
    """Make a literal of BYTES; sqlglot has decoded its escapes to one character for each byte."""
    if not isinstance(node, exp.ByteString):
        return node
    text = str(node.this)
    content = text.encode("latin-1" if max(text, default="") < "\u0100" else "utf-8")
    made = exp.Anonymous(this="from_hex", expressions=[exp.Literal.string(content.hex())])
    made.type = exp.DataType.build("BLOB", dialect="duckdb")
    return made


def time_of_timestamp(node: exp.Expression, _context: Any) -> exp.Expression:
    """Cast TIMESTAMP to TIME, which DuckDB can from a time without a zone only."""
    if isinstance(node, exp.Cast) and node.to.this == Type.TIME and kind(node.this) == Type.TIMESTAMPTZ:
        node.set("this", exp.cast(node.this, Type.TIMESTAMP))
    return node


NODE_RULES = [
    bytes_literal,
    checked_text,
    safe_cast_rounds_away_from_zero,
    text_of_value,
    string_of_time,
    bytes_of_text,
    time_of_timestamp,
]
