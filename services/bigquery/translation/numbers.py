"""Numbers: NaN, results that are not finite, the types of ROUND, bits."""

from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any

from local_bigquery.errors import BigQueryError
from local_bigquery.sql.rules.typing import BYTES, DECIMALS, FLOATS, kind
from sqlglot import exp

from bigquery.translation.macros import macro

Type = exp.DataType.Type
INTEGERS = exp.DataType.INTEGER_TYPES
NUMERIC_LIMIT = 10**29
NOT_FINITE: dict[type[exp.Expression], str] = {exp.Exp: "EXP", exp.Atanh: "ATANH", exp.Sinh: "SINH", exp.Cosh: "COSH"}


def _is_nan(node: exp.Expression) -> exp.Expression | None:
    if isinstance(node, exp.Literal) or kind(node) not in FLOATS:
        return None
    return exp.Anonymous(this="isnan", expressions=[node.copy()])


def nan_comparisons(node: exp.Expression, _context: Any) -> exp.Expression:
    """NaN is not equal to, above or below any number; to DuckDB it equals itself and is above all others."""
    nan = None
    if isinstance(node, exp.EQ | exp.GT | exp.GTE) and not isinstance(node.parent, exp.Update):
        nan = _is_nan(node.this)
    elif isinstance(node, exp.LT | exp.LTE):
        nan = _is_nan(node.expression)
    elif isinstance(node, exp.NEQ) and (nan := _is_nan(node.this)):
        return exp.paren(exp.or_(node, nan, copy=False), copy=False)
    return exp.paren(exp.and_(node, exp.not_(nan, copy=False), copy=False), copy=False) if nan else node


def nan_in_list(node: exp.Expression, _context: Any) -> exp.Expression:
    """NaN is in no list."""
    if isinstance(node, exp.In) and (nan := _is_nan(node.this)):
        return exp.paren(exp.and_(node, exp.not_(nan, copy=False), copy=False), copy=False)
    return node


def order_of_nan(node: exp.Expression, _context: Any) -> exp.Expression:
    """Order NaN before all numbers, and NULL where the query says."""
    if not isinstance(node, exp.Order) or isinstance(node.parent, exp.Window):
        return node
    ordered: list[exp.Expression] = []
    for item in node.expressions:
        if nan := _is_nan(item.this):
            is_nan = exp.If(this=nan, true=exp.Literal.number(1))
            is_null = exp.If(this=exp.Is(this=item.this.copy(), expression=exp.null()), true=exp.null())
            rank = exp.Case(ifs=[is_null, is_nan], default=exp.Literal.number(2))
            ordered.append(exp.Ordered(**{**item.args, "this": rank}))
        ordered.append(item)
    node.set("expressions", ordered)
    return node


def finite_results(node: exp.Expression, _context: Any) -> exp.Expression:
    """Refuse EXP, POW and others whose result is not a finite number."""
    argument: exp.Expression
    if name := NOT_FINITE.get(type(node)):
        argument = exp.cast(node.this.copy(), "DOUBLE")
    elif isinstance(node, exp.Pow):
        name = "POW"
        base, exponent = (exp.cast(side.copy(), "DOUBLE") for side in (node.this, node.expression))
        argument = exp.Add(this=base, expression=exponent)
    else:
        return node
    made = macro("_finite", node, argument, exp.Literal.string(name))
    made.type = node.type
    return made


def rounded_integers(node: exp.Expression, _context: Any) -> exp.Expression:
    """ROUND and TRUNC of INT64 are FLOAT64."""
    if isinstance(node, exp.Round | exp.Trunc) and kind(node.this) in INTEGERS:
        node.set("this", exp.cast(node.this, "DOUBLE"))
        node.type = exp.DataType.build("DOUBLE")
    return node


def rounding_modes(node: exp.Expression, _context: Any) -> exp.Expression:
    """Refuse a rounding mode of NUMERIC, which DuckDB rounds as a floating-point number."""
    if isinstance(node, exp.Round) and (mode := node.args.get("truncate")):
        if mode.name.upper() == "ROUND_HALF_EVEN":
            raise unsupported("ROUND with ROUND_HALF_EVEN")
        node.set("truncate", None)
    return node


def unsupported(what: str) -> BigQueryError:
    """Return the error for what is not worth a translation."""
    return BigQueryError("invalidQuery", f"{what}: BigQuery does otherwise; not supported locally")


def rounded_bignumeric(node: exp.Expression, _context: Any) -> exp.Expression:
    """ROUND and TRUNC of BIGNUMERIC keep its type; DuckDB's have the digits that are left."""
    value = node.this.type if isinstance(node, exp.Round | exp.Trunc | exp.Ceil | exp.Floor) else None
    if value is not None and value.this == Type.BIGDECIMAL:
        return exp.cast(node, exp.DataType.build("DECIMAL(38, 18)", dialect="duckdb"))
    return node


def product_of_numeric(node: exp.Expression, _context: Any) -> exp.Expression:
    """A product of NUMERIC is rounded to 9 digits; DuckDB's has 18."""
    if isinstance(node, exp.Mul) and {kind(node.this), kind(node.expression)} <= {Type.DECIMAL}:
        made = exp.cast(node, exp.DataType.build("DECIMAL(38, 9)", dialect="duckdb"))
        made.type = exp.DataType.build(Type.DECIMAL)
        return made
    return node


def quotient_of_numeric(node: exp.Expression, _context: Any) -> exp.Expression:
    """A quotient of NUMERIC has 9 digits, all exact; DuckDB divides floating-point numbers."""
    if not isinstance(node, exp.Div | exp.SafeDivide) or DECIMALS.keys().isdisjoint(
        operands := [kind(side) for side in (node.this, node.expression)]
    ):
        return node
    if Type.BIGDECIMAL in operands or not {*operands} <= {Type.DECIMAL, *INTEGERS}:
        return node
    decimal = exp.DataType.build("DECIMAL(38, 9)", dialect="duckdb")
    dividend, divisor = (exp.cast(side, decimal) for side in (node.this, node.expression))
    made: exp.Expression = exp.Anonymous(this="_numeric_divide", expressions=[dividend, divisor])
    if isinstance(node, exp.SafeDivide) or node.args.get("safe"):
        made = exp.If(this=divisor.copy().neq(0), true=made)
    made.type = exp.DataType.build(Type.DECIMAL)
    return made


def divide(dividend: Decimal, divisor: Decimal) -> Decimal:
    """Return the quotient of two NUMERICs, rounded half away from zero to 9 digits.

    Raises:
        ValueError: the divisor is zero, or the quotient is too large.
    """
    with localcontext(prec=80):
        operands = f"{dividend.normalize():f} / {divisor.normalize():f}"
        if not divisor:
            raise ValueError(f"division by zero: {operands}")
        quotient = (dividend / divisor).quantize(Decimal("1e-9"), ROUND_HALF_UP)
        if abs(quotient) >= NUMERIC_LIMIT:
            raise ValueError(f"numeric overflow: {operands}")
    return quotient


def bits_of_int64(node: exp.Expression, _context: Any) -> exp.Expression:
    """Count the bits of 64, also of a literal that DuckDB would take for 32."""
    if isinstance(node, exp.BitwiseCount) and kind(node.this) not in BYTES:
        node.set("this", exp.cast(node.this, "BIGINT"))
    return node


NODE_RULES = [
    nan_comparisons,
    nan_in_list,
    order_of_nan,
    finite_results,
    rounding_modes,
    rounded_bignumeric,
    rounded_integers,
    product_of_numeric,
    quotient_of_numeric,
    bits_of_int64,
]
