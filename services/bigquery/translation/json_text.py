"""JSON: TO_JSON_STRING and TO_JSON as BigQuery writes values, broken JSON, JSON's null."""

import base64
import json
import math
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from local_bigquery.errors import BigQueryError
from local_bigquery.sql.rules.typing import TEXT, kind
from sqlglot import exp

from bigquery.translation.macros import macro

Type = exp.DataType.Type
AS_DUCKDB = {*TEXT, Type.BOOLEAN, Type.DATE}  # DuckDB writes these as BigQuery does
SAFE_INTEGER = 2**53  # beyond it, not every reader of JSON keeps a number
MEMBER = re.compile(r'\s*("(?:[^"]|"")*"|\w+)\s+')


def written_values(node: exp.Expression, _context: Any) -> exp.Expression:
    """TO_JSON_STRING and TO_JSON write numbers, times and bytes as BigQuery does."""
    if not isinstance(node, exp.Anonymous) or not node.expressions or kind(node.expressions[0]) in AS_DUCKDB:
        return node
    value, *pretty = node.expressions
    to_json, typeof = (exp.Anonymous(this=name, expressions=[value.copy()]) for name in ("to_json", "typeof"))
    if node.name.lower() == "bq.main.to_json_string":
        arguments = [exp.cast(to_json, "VARCHAR"), typeof, exp.true()]
        text: exp.Expression = exp.Anonymous(this="_json_text", expressions=arguments)
        if pretty:
            plain, text = text, macro("_json_pretty", exp.cast(text, "JSON"))
            text = exp.Case(ifs=[exp.If(this=pretty[0], true=text)], default=plain.copy())
        return exp.Anonymous(this="coalesce", expressions=[text, exp.Literal.string("null")])
    if node.name.lower() == "bq.main.to_json" and not pretty:
        arguments = [exp.cast(to_json, "VARCHAR"), typeof, exp.false()]
        text = exp.Anonymous(this="_json_text", expressions=arguments)
        return exp.cast(exp.func("coalesce", text, exp.Literal.string("null")), "JSON")
    return node


def encode(text: str, kind_: str, quotes_wide_numbers: bool) -> str:
    """Return BigQuery's JSON of a value.

    Args:
        text: DuckDB's JSON of it.
        kind_: DuckDB's name of its type.
        quotes_wide_numbers: whether integers beyond 2^53 and fractions of NUMERIC become strings.
    """
    value = json.loads(text, parse_float=Decimal)
    return _encode(value, kind_, quotes_wide_numbers)


def _encode(value: Any, kind_: str, quotes: bool) -> str:
    if value is None:
        return "null"
    if kind_.endswith("]"):
        element = kind_[: kind_.rindex("[")]
        return f"[{','.join(_encode(item, element, quotes) for item in value)}]"
    if kind_.startswith("STRUCT("):
        kinds = list(members_of(kind_))
        if len(kinds) != len(value) or any(f"_field_{place}" == name for place, name in enumerate(value, 1)):
            raise ValueError("JSON of a STRUCT without names: BigQuery does otherwise; not supported locally")
        members = zip(value.items(), kinds, strict=True)
        return f"{{{','.join(f'{_text(name)}:{_encode(item, member, quotes)}' for (name, item), member in members)}}}"
    if kind_.startswith("DECIMAL"):
        return _decimal(Decimal(value), quotes)
    match kind_:
        case "DOUBLE" | "FLOAT":
            return _float(float(value), quotes)
        case "BIGINT" | "HUGEINT" | "INTEGER":
            return f'"{value}"' if quotes and abs(value) > SAFE_INTEGER else str(value)
        case "BLOB":
            return _text(base64.b64encode(bytes_of(value)).decode())
        case "TIME":
            return _text(padded(value))
        case "TIMESTAMP":
            return _text(padded(value).replace(" ", "T"))
        case "TIMESTAMP WITH TIME ZONE":
            return _text(padded(value.removesuffix("+00")).replace(" ", "T") + "Z")
        case "JSON":
            return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True, default=float)
    return _text(value)


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=float)


def _decimal(value: Decimal, quotes: bool) -> str:
    text = format(value, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return f'"{text}"' if quotes and ("." in text or abs(value) > SAFE_INTEGER) else text


def _float(value: float, is_text: bool) -> str:
    if not math.isfinite(value):
        return '"NaN"' if math.isnan(value) else f'"{"-" if value < 0 else ""}Infinity"'
    text = f"{value:.15g}" if value else "0"
    text = text if float(text) == value else f"{value:.17g}"
    return text if is_text or not text.lstrip("-").isdigit() else f"{text}.0"


def padded(text: str) -> str:
    """Return a time whose fraction has 3 or 6 digits."""
    whole, point, fraction = text.partition(".")
    return f"{whole}.{fraction.ljust(3 if len(fraction) <= 3 else 6, '0')}" if point else whole


def bytes_of(text: str) -> bytes:
    r"""Return the bytes that DuckDB writes as text, those beyond printable ASCII as \xHH."""
    return re.sub(rb"\\x([0-9A-F]{2})", lambda found: bytes([int(found[1], 16)]), text.encode())


def members_of(kind_: str) -> Iterator[str]:
    """Yield the types of the members of DuckDB's `STRUCT(name type, …)`."""
    rest = kind_.removeprefix("STRUCT(").removesuffix(")")
    while found := MEMBER.match(rest):
        depth, end, quoted = 0, found.end(), False
        while end < len(rest) and (quoted or depth or rest[end] != ","):
            quoted ^= rest[end] == '"'
            depth += 0 if quoted else {"(": 1, ")": -1}.get(rest[end], 0)
            end += 1
        yield rest[found.end() : end].strip()
        rest = rest[end + 1 :]


def broken_json(node: exp.Expression, _context: Any) -> exp.Expression:
    """A text that is not JSON has no members: NULL, not an error. A path begins with $, and has no brackets of text."""
    paths = exp.JSONExtract | exp.JSONExtractScalar | exp.JSONExtractArray | exp.JSONValueArray
    if not isinstance(node, paths):
        return node
    if isinstance(node.expression, exp.Literal) and node.expression.is_string and node.expression.name[:1] != "$":
        raise BigQueryError("invalidQuery", "JSONPath must start with '$'")
    if kind(node.this) in TEXT:
        text_type = node.this.type
        node.set("this", macro("_valid_json", node.this))
        node.this.type = text_type or exp.DataType.build("VARCHAR")
    return node


def number_as_written(node: exp.Expression, _context: Any) -> exp.Expression:
    """JSON_VALUE of text gives a number as it is written there; DuckDB writes 1.50 as 1.5."""
    if not isinstance(node, exp.JSONExtractScalar) or kind(node.this) not in TEXT:
        return node
    keys = [part.this for part in node.expression.find_all(exp.JSONPathKey, exp.JSONPathSubscript, bfs=False)]
    member = exp.JSONExtract(this=node.this.copy(), expression=node.expression.copy())
    written = exp.Anonymous(
        this="_written_number", expressions=[node.this.copy(), exp.Literal.string(json.dumps(keys))]
    )
    return macro("_json_scalar", member, node, written)


def written_number(text: str, keys: str) -> str:
    """Return a number as a text of JSON has it.

    Args:
        text: the JSON.
        keys: the members' names and elements' places that lead to it, as JSON.
    """
    value = json.loads(text, parse_float=str)
    for key in json.loads(keys):
        value = value[key]
    return str(value)


def first_members(text: str) -> str:
    """Return JSON without the members whose name is there before them, which PARSE_JSON leaves out."""
    doubled = False

    def first(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal doubled
        members = dict(reversed(pairs))
        doubled |= len(members) < len(pairs)
        return {name: members[name] for name, _ in pairs}

    try:
        value = json.loads(text, object_pairs_hook=first, parse_float=Decimal)
    except ValueError:
        return text
    return json.dumps(value, ensure_ascii=False, default=float) if doubled else text


def doubled_members(node: exp.Expression, _context: Any) -> exp.Expression:
    """PARSE_JSON keeps the first of two members of one name; DuckDB the last."""
    if isinstance(node, exp.Anonymous) and node.name.lower() == "bq.main.parse_json":
        first = exp.Anonymous(this="_first_members", expressions=[node.expressions[0]])
        node.set("expressions", [first, *node.expressions[1:]])
    return node


def json_null(node: exp.Expression, _context: Any) -> exp.Expression:
    """JSON_QUERY of a member of text that is null is NULL."""
    if isinstance(node, exp.JSONExtract) and kind(node.this) in TEXT:
        made = exp.cast(macro("_not_json_null", node), "VARCHAR")
        made.type = exp.DataType.build("VARCHAR")
        return made
    return node


def no_array(node: exp.Expression, _context: Any) -> exp.Expression:
    """JSON_QUERY_ARRAY of what is not an array is NULL, and JSON_VALUE_ARRAY of what holds more than scalars."""
    if not isinstance(node, exp.JSONExtractArray | exp.JSONValueArray):
        return node
    member = exp.JSONExtract(this=node.this.copy(), expression=node.expression.copy())
    name = "_array_or_null" if isinstance(node, exp.JSONExtractArray) else "_scalars_or_null"
    if isinstance(node, exp.JSONExtractArray) and kind(node.this) in TEXT:
        node = exp.cast(node, "VARCHAR[]")
    return macro(name, member, node)


NODE_RULES = [written_values, broken_json, number_as_written, doubled_members, json_null, no_array]
