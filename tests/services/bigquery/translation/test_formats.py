import pytest


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ('FORMAT("%\'d|%5d|%-4d|%03d|%x", -1234567, 7, 7, 7, 255)', "-1,234,567|    7|7   |007|ff"),
        ("SELECT FORMAT('%d', n) FROM UNNEST([CAST(NULL AS INT64)]) AS n", None),
        ("FORMAT('%d%%', 50)", "50%"),
    ],
)
def test_integers(value, expression, expected):
    assert value(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("FORMAT(\"%'.2f|%.2f|%8.1f|\", 1234567.891, NUMERIC '2.675', 1.5)", "1,234,567.89|2.68|     1.5|"),
    ],
)
def test_fractions(value, expression, expected):
    assert value(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("FORMAT('%t|%t|%t|%t|%t', 1, 1.0, 'a', NUMERIC '1.50', DATE '2026-01-02')", "1|1.0|a|1.5|2026-01-02"),
        ("FORMAT('%t', NULL)", "NULL"),
        ("FORMAT('%T|%T', 'a', DATE '2026-01-02')", '"a"|DATE "2026-01-02"'),
        (
            "SELECT FORMAT('%T', x) FROM UNNEST(['a\"']) AS x",
            "FORMAT with %T of a text with quotes or escapes: BigQuery does otherwise; not supported locally",
        ),
    ],
)
def test_printed_values(value, expression, expected):
    assert value(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("FORMAT('%t', [1])", "FORMAT of ARRAY with %t: BigQuery does otherwise; not supported locally"),
        (
            "SELECT FORMAT(x, 1) FROM UNNEST(['%d']) AS x",
            "FORMAT with a format that is not a literal: BigQuery does otherwise; not supported locally",
        ),
    ],
)
def test_refused(value, expression, expected):
    assert value(expression) == expected
