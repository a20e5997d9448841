import pytest


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("SUBSTR('abc', 0, 2)", "ab"),
        ("SUBSTR('abc', -5, 3)", "abc"),
        ("SELECT SUBSTR(x, -2) FROM UNNEST(['abc']) AS x", "bc"),
        ("SELECT SUBSTR('abc', 2, n) FROM UNNEST([-1]) AS n", "Third argument in SUBSTR() cannot be negative"),
    ],
)
def test_substr_positions(value, expression, expected):
    assert value(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("TRIM('\\t a\\n\\u2003')", "a"),
        ("LTRIM('\\n a ')", "a "),
        ("RTRIM('xa', 'a')", "x"),
    ],
)
def test_trim_white_space(value, expression, expected):
    assert value(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (
            "SELECT REPEAT('a', n) FROM UNNEST([-1]) AS n",
            "Second argument (repeat count) for REPEAT cannot be negative",
        ),
        ("SELECT LEFT('a', n) FROM UNNEST([-1]) AS n", "Second argument in LEFT() cannot be negative"),
        (
            "SELECT LPAD('a', n, 'x') FROM UNNEST([-1]) AS n",
            "Second argument (output size) for LPAD/RPAD cannot be negative",
        ),
        ("REPEAT('a', 2)", "aa"),
    ],
)
def test_negative_lengths(value, expression, expected):
    assert value(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("UNICODE('')", 0),
        ("UNICODE('é')", 233),
        ("ASCII('A')", 65),
        ("SELECT ASCII(x) FROM UNNEST(['é']) AS x", "Argument to ASCII is not a structurally valid ASCII string: 'é'"),
    ],
)
def test_code_points(value, expression, expected):
    assert value(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("INSTR('banana', 'an', 0)", "Position must be non-zero"),
        ("INSTR('banana', 'an', 1, 2)", 4),
        ("TRANSLATE('hello', 'll', 'xy')", 'Duplicate character "l" in TRANSLATE source characters'),
        (
            "REGEXP_EXTRACT('a-1', r'(\\w)-(\\d)')",
            "Regular expressions passed into extraction functions must not have more than 1 capturing group",
        ),
        ("REGEXP_EXTRACT('a(1', r'\\((\\d)[()]?')", "1"),
    ],
)
def test_refused_arguments(value, expression, expected):
    assert value(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("SAFE_CONVERT_BYTES_TO_STRING(b'a\\xff')", "a�"),
    ],
)
def test_lower_and_bytes(value, expression, expected):
    assert value(expression) == expected
