import datetime
import math
from decimal import Decimal

import pytest

from lumbung.googlesql.kinds import type_proto
from lumbung.googlesql.values import python_value, value_proto

JAKARTA = datetime.timezone(datetime.timedelta(hours=7))
MIDNIGHT = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("INT64", -(2**63)),
        ("FLOAT64", -0.1),
        ("FLOAT64", math.inf),
        ("NUMERIC", Decimal("-99999999999999999999999999999.999999999")),
        ("BIGNUMERIC", Decimal("1e-38")),
        ("BOOL", False),
        ("STRING", "İ\0🦆"),
        ("BYTES", b"\xff\0"),
        ("DATE", datetime.date(1, 1, 1)),
        ("DATE", datetime.date(9999, 12, 31)),
        ("DATETIME", datetime.datetime.fromisoformat("2026-02-28T23:59:59.999999")),
        ("TIME", datetime.time(23, 59, 59, 1)),
        ("TIMESTAMP", datetime.datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=datetime.UTC)),
        ("JSON", '{"a":1}'),
        ("ARRAY<STRING>", []),
        ("ARRAY<DATE>", [datetime.date(2026, 1, 2)]),
        *((kind, None) for kind in ("INT64", "STRING", "ARRAY<STRING>", "TIMESTAMP")),
    ],
)
def test_values_come_back_as_they_were(kind, value):
    assert python_value(value_proto(value, kind), type_proto(kind)) == value


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("INT64", "42", 42),
        ("BOOL", "true", True),
        ("NUMERIC", "1.0000000005", Decimal("1.000000001")),
        ("NUMERIC", 0.1, Decimal("0.1")),
        ("DATE", "2026-01-02", datetime.date(2026, 1, 2)),
        ("DATETIME", "2026-01-02 03:04:05", datetime.datetime.fromisoformat("2026-01-02T03:04:05")),
        ("TIME", "03:04:05.5", datetime.time(3, 4, 5, 500000)),
        ("TIMESTAMP", "2026-01-02 03:04:05 UTC", datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)),
        ("TIMESTAMP", "2026-01-02T03:04:05", datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)),
        ("TIMESTAMP", MIDNIGHT.astimezone(JAKARTA), MIDNIGHT),
        ("JSON", {"a": [1]}, '{"a": [1]}'),
    ],
)
def test_the_texts_of_bigquery_s_json_are_taken(kind, text, value):
    assert python_value(value_proto(text, kind), type_proto(kind)) == value
