import datetime

import pytest


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("EXTRACT(MILLISECOND FROM TIMESTAMP '2026-01-02 03:04:05.9876+00')", 987),
        ("EXTRACT(MICROSECOND FROM TIME '03:04:05.5')", 500000),
        ("EXTRACT(SECOND FROM TIME '03:04:05.5')", 5),
    ],
)
def test_parts_of_a_second(value, expression, expected):
    assert value(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("UNIX_MILLIS(TIMESTAMP '1969-12-31 23:59:59.9995+00')", -1),
        ("UNIX_MILLIS(TIMESTAMP '1970-01-01 00:00:01.5+00')", 1500),
    ],
)
def test_floor_of_millis(value, expression, expected):
    assert value(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("STRING(DATE_TRUNC(DATETIME '2026-05-17 10:20:30', MONTH))", "2026-05-01 00:00:00"),
        ("DATE_TRUNC(DATE '2026-05-17', MONTH)", datetime.date(2026, 5, 1)),
    ],
)
def test_truncated_type(value, expression, expected):
    assert value(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("CAST(TIMESTAMP '2026-01-02 03:04:05+00' - TIMESTAMP '2026-01-01 00:00:00+00' AS STRING)", "0-0 0 27:4:5"),
    ],
)
def test_differences(value, expression, expected):
    assert value(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("FORMAT_DATE('%e|%d', DATE '2026-01-02')", " 2|02"),
        ("FORMAT_TIMESTAMP('%E*S', TIMESTAMP '2026-01-02 03:04:05.670+00')", "05.67"),
        ("FORMAT_TIMESTAMP('%E*S', TIMESTAMP '2026-01-02 03:04:05+00')", "05"),
        ("FORMAT_DATETIME('%Z', DATETIME '2026-01-02 03:04:05')", "%Z"),
    ],
)
def test_formats(value, expression, expected):
    assert value(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("TIMESTAMP('2026-01-02 03:04:05+07', 'Asia/Jakarta')", 'Timezone is not allowed in "2026-01-02 03:04:05+07"'),
        ("STRING(TIMESTAMP('2026-01-02 03:04:05', 'Asia/Jakarta'))", "2026-01-01 20:04:05+00"),
    ],
)
def test_zones(value, expression, expected):
    assert value(expression) == expected
