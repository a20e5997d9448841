from decimal import Decimal

import pytest


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (
            "SELECT STRING_AGG(FORMAT('%t', x = y) || FORMAT('%t', x > y) || FORMAT('%t', x < y) ||"
            " FORMAT('%t', x != y)) FROM (SELECT CAST('nan' AS FLOAT64) AS x, 1.0 AS y)",
            "falsefalsefalsetrue",
        ),
        ("SELECT x IN (x) FROM UNNEST([CAST('nan' AS FLOAT64)]) AS x", False),
    ],
)
def test_nan_comparisons(value, expression, expected):
    assert value(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (
            "SELECT STRING_AGG(s, ' ') FROM (SELECT IFNULL(CAST(x AS STRING), 'null') AS s FROM"
            " (SELECT 1.5 AS x UNION ALL SELECT NULL UNION ALL SELECT CAST('nan' AS FLOAT64)) ORDER BY x"
            " NULLS LAST LIMIT 9)",
            "nan 1.5 null",
        ),
    ],
)
def test_order_of_nan(value, expression, expected):
    assert value(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("POW(0, -1)", "Floating point error in function: POW"),
        ("EXP(1000)", "Floating point error in function: EXP"),
        ("POW(2, 10)", 1024.0),
        ("EXP(CAST('inf' AS FLOAT64))", float("inf")),
    ],
)
def test_finite_results(value, expression, expected):
    assert value(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("TO_JSON_STRING(ROUND(2) / 4)", "0.5"),
        ("ROUND(NUMERIC '2.345', 2)", Decimal("2.35")),
        (
            "ROUND(NUMERIC '2.5', 0, 'ROUND_HALF_EVEN')",
            "ROUND with ROUND_HALF_EVEN: BigQuery does otherwise; not supported locally",
        ),
        ("ROUND(NUMERIC '2.5', 0, 'ROUND_HALF_AWAY_FROM_ZERO')", Decimal(3)),
    ],
)
def test_rounding(value, expression, expected):
    assert value(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("NUMERIC '0.000000001' * NUMERIC '0.5'", Decimal("0.000000001")),
        ("SELECT n / 2 FROM UNNEST([NUMERIC '99999999999.123456789']) AS n", Decimal("49999999999.561728395")),
        ("SAFE_DIVIDE(NUMERIC '1', NUMERIC '0')", None),
        ("SELECT n / 0 FROM UNNEST([NUMERIC '1.50']) AS n", "division by zero: 1.5 / 0"),
        (
            "SELECT n / NUMERIC '0.000000001' FROM UNNEST([NUMERIC '99999999999999999999999999999']) AS n",
            "numeric overflow: 99999999999999999999999999999 / 0.000000001",
        ),
    ],
)
def test_numeric(value, expression, expected):
    assert value(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("BIT_COUNT(-1)", 64),
        ("SELECT BIT_COUNT(x) FROM UNNEST([7]) AS x", 3),
    ],
)
def test_bits(value, expression, expected):
    assert value(expression) == expected
