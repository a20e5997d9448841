"""Values of Python as GoogleSQL's engine takes them, and back: the same kinds that BigQuery's client gives."""

from __future__ import annotations

import datetime
import decimal
import json
from collections.abc import Callable, Mapping
from typing import Any

EPOCH = datetime.date(1970, 1, 1)
EPOCH_INSTANT = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
SCALES = {"numeric_value": 9, "bignumeric_value": 38}
DIGITS = 100
"""More than a BIGNUMERIC has."""


def value_proto(value: Any, kind: str) -> Any:
    """A value of the engine.

    Args:
        value: None, or what `WRITERS` takes for the type: also the texts of BigQuery's JSON for dates, times and
            numbers; a list for an array.
        kind: the type as SQL writes it.
    """
    from zetasql.wasi._pb2.zetasql.public import value_pb2

    proto = value_pb2.ValueProto()
    if value is None:
        return proto
    if kind.startswith("ARRAY<"):
        proto.array_value.SetInParent()
        proto.array_value.element.extend(value_proto(element, kind[len("ARRAY<") : -1]) for element in value)
    else:
        WRITERS[kind](proto, value)
    return proto


def python_value(proto: Any, kind: Any) -> Any:
    """A value of Python.

    Args:
        proto: the engine's value.
        kind: the engine's type.

    Returns:
        None, bool, int, float, str, bytes, date, datetime (with a zone for TIMESTAMP), time or Decimal; a list for an
        array, a dict for a STRUCT, the text for JSON, the engine's bytes for INTERVAL and GEOGRAPHY.
    """
    which = proto.WhichOneof("value")
    if which is None:
        return None
    value = getattr(proto, which)
    if which == "array_value":
        return [python_value(element, kind.array_type.element_type) for element in value.element]
    if which == "struct_value":
        fields = zip(kind.struct_type.field, value.field, strict=True)
        return {field.field_name or f"f{i}": python_value(v, field.field_type) for i, (field, v) in enumerate(fields)}
    if which == "range_value":
        element = kind.range_type.element_type
        return [python_value(value.start, element), python_value(value.end, element)]
    return READERS[which](value) if which in READERS else value


def _write_date(proto: Any, value: Any) -> None:
    day = datetime.date.fromisoformat(value) if isinstance(value, str) else value
    proto.date_value = (day - EPOCH).days


def _write_timestamp(proto: Any, value: Any) -> None:
    instant = datetime.datetime.fromisoformat(value.replace(" UTC", "+00:00")) if isinstance(value, str) else value
    instant = instant if instant.tzinfo else instant.replace(tzinfo=datetime.UTC)
    microseconds = (instant - EPOCH_INSTANT) // datetime.timedelta(microseconds=1)
    proto.timestamp_value.seconds, rest = divmod(microseconds, 1_000_000)
    proto.timestamp_value.nanos = rest * 1000


def _write_datetime(proto: Any, value: Any) -> None:
    moment = datetime.datetime.fromisoformat(value) if isinstance(value, str) else value
    bits = 0
    for part, width in zip(moment.timetuple()[:6], (0, 4, 5, 5, 6, 6), strict=True):
        bits = bits << width | part
    proto.datetime_value.bit_field_datetime_seconds = bits
    proto.datetime_value.nanos = moment.microsecond * 1000


def _write_time(proto: Any, value: Any) -> None:
    time = datetime.time.fromisoformat(value) if isinstance(value, str) else value
    seconds = (time.hour << 6 | time.minute) << 6 | time.second
    proto.time_value = seconds << 30 | time.microsecond * 1000


def _write_decimal(name: str) -> Callable[[Any, Any], None]:
    def write(proto: Any, value: Any) -> None:
        with decimal.localcontext(prec=DIGITS):
            scaled = decimal.Decimal(str(value)).scaleb(SCALES[name])
            number = int(scaled.to_integral_value(decimal.ROUND_HALF_UP))
        setattr(proto, name, number.to_bytes((number.bit_length() + 8) // 8, "little", signed=True))

    return write


def _write_as(name: str, convert: Callable[[Any], Any]) -> Callable[[Any, Any], None]:
    return lambda proto, value: setattr(proto, name, convert(value))


def _boolean(value: Any) -> bool:
    return str(value).lower() == "true"


def _json_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _read_timestamp(value: Any) -> datetime.datetime:
    return EPOCH_INSTANT + datetime.timedelta(seconds=value.seconds, microseconds=value.nanos // 1000)


def _read_datetime(value: Any) -> datetime.datetime:
    bits = value.bit_field_datetime_seconds
    time = datetime.time(bits >> 12 & 31, bits >> 6 & 63, bits & 63, value.nanos // 1000)
    return datetime.datetime.combine(datetime.date(bits >> 26, bits >> 22 & 15, bits >> 17 & 31), time)


def _read_time(value: int) -> datetime.time:
    seconds, nanos = value >> 30, value & (1 << 30) - 1
    return datetime.time(seconds >> 12, seconds >> 6 & 63, seconds & 63, nanos // 1000)


def _read_decimal(name: str) -> Callable[[bytes], decimal.Decimal]:
    def read(value: bytes) -> decimal.Decimal:
        with decimal.localcontext(prec=DIGITS):
            return decimal.Decimal(int.from_bytes(value, "little", signed=True)).scaleb(-SCALES[name])

    return read


WRITERS: Mapping[str, Callable[[Any, Any], None]] = {
    "STRING": _write_as("string_value", str),
    "BYTES": _write_as("bytes_value", bytes),
    "INT64": _write_as("int64_value", int),
    "FLOAT64": _write_as("double_value", float),
    "BOOL": _write_as("bool_value", _boolean),
    "JSON": _write_as("json_value", _json_text),
    "DATE": _write_date,
    "TIMESTAMP": _write_timestamp,
    "DATETIME": _write_datetime,
    "TIME": _write_time,
    "NUMERIC": _write_decimal("numeric_value"),
    "BIGNUMERIC": _write_decimal("bignumeric_value"),
}
READERS: Mapping[str, Callable[[Any], Any]] = {
    "date_value": lambda days: EPOCH + datetime.timedelta(days=days),
    "timestamp_value": _read_timestamp,
    "datetime_value": _read_datetime,
    "time_value": _read_time,
    "numeric_value": _read_decimal("numeric_value"),
    "bignumeric_value": _read_decimal("bignumeric_value"),
}
