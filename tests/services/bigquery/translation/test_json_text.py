import pytest


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("TO_JSON_STRING(9007199254740993)", '"9007199254740993"'),
        ("TO_JSON_STRING(1.0)", "1"),
        ("TO_JSON_STRING(NUMERIC '1.50')", '"1.5"'),
        ("TO_JSON_STRING(CAST('-inf' AS FLOAT64))", '"-Infinity"'),
        ("TO_JSON_STRING([1e16, 0.1])", "[1e+16,0.1]"),
    ],
)
def test_written_numbers(value, expression, expected):
    assert value(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("TO_JSON_STRING(TIMESTAMP '2026-01-02 03:04:05.12+00')", '"2026-01-02T03:04:05.120Z"'),
        ("TO_JSON_STRING(b'\\xff\\\\a')", '"/1xh"'),
        (
            "TO_JSON_STRING(STRUCT(1 AS `a b`, [STRUCT(NUMERIC '2' AS n, TIME '01:02:03.5' AS t)] AS l))",
            '{"a b":1,"l":[{"n":2,"t":"01:02:03.500"}]}',
        ),
        ('TO_JSON_STRING(JSON \'{"b": 1, "a": null}\')', '{"a":null,"b":1}'),
        ("TO_JSON_STRING(CAST(NULL AS NUMERIC))", "null"),
        ("TO_JSON_STRING(STRUCT(NUMERIC '1.5' AS a), TRUE)", '{\n  "a": "1.5"\n}'),
        ("TO_JSON_STRING(TO_JSON(STRUCT(1.0 AS a, 9007199254740993 AS b)))", '{"a":1.0,"b":9007199254740993}'),
        (
            "TO_JSON_STRING(STRUCT(1, 2))",
            "JSON of a STRUCT without names: BigQuery does otherwise; not supported locally",
        ),
    ],
)
def test_written_values(value, expression, expected):
    assert value(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("JSON_VALUE('not json', '$.a')", None),
        ("JSON_VALUE('{\"a\": [{\"b\": 1.50}]}', '$.a[0].b')", "1.50"),
        ("JSON_VALUE('{\"a\": 12}', '$.a')", "12"),
        ("JSON_QUERY('{\"a\": null}', '$.a')", None),
        ("JSON_QUERY('{\"a\": [1]}', '$.a')", "[1]"),
        ("ARRAY_LENGTH(JSON_VALUE_ARRAY('[1, {\"a\": 2}]'))", None),
        ("JSON_VALUE_ARRAY('[1, \"b\"]')", ["1", "b"]),
        ("ARRAY_LENGTH(JSON_QUERY_ARRAY('{\"a\": 1}', '$.a'))", None),
        ('TO_JSON_STRING(PARSE_JSON(\'{"a": 1, "a": 2}\'))', '{"a":1}'),
    ],
)
def test_reading(value, expression, expected):
    assert value(expression) == expected
