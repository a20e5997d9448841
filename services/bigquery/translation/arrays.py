"""Elements of arrays."""

from typing import Any

from local_bigquery.sql.rules.typing import kind
from sqlglot import exp

from bigquery.translation.macros import macro


def index_without_offset(node: exp.Expression, _context: Any) -> exp.Expression:
    """An index counts from 0 and is refused out of bounds, as OFFSET's is; DuckDB gives NULL."""
    is_index = isinstance(node, exp.Bracket) and node.args.get("offset") is None and len(node.expressions) == 1
    if not is_index or node.meta.get("json") or kind(node.this) != exp.DataType.Type.ARRAY:
        return node
    return macro("_array_at", node.this, node.expressions[0], exp.Literal.number(0))


NODE_RULES = [index_without_offset]
