"""Names of BigQuery's types, such as ARRAY<STRING>, and what GoogleSQL's engine calls them."""

from __future__ import annotations

from typing import Any

KINDS = {
    "INT64": "TYPE_INT64",
    "FLOAT64": "TYPE_DOUBLE",
    "NUMERIC": "TYPE_NUMERIC",
    "BIGNUMERIC": "TYPE_BIGNUMERIC",
    "BOOL": "TYPE_BOOL",
    "STRING": "TYPE_STRING",
    "BYTES": "TYPE_BYTES",
    "DATE": "TYPE_DATE",
    "DATETIME": "TYPE_DATETIME",
    "TIME": "TYPE_TIME",
    "TIMESTAMP": "TYPE_TIMESTAMP",
    "INTERVAL": "TYPE_INTERVAL",
    "JSON": "TYPE_JSON",
    "GEOGRAPHY": "TYPE_GEOGRAPHY",
}
SYNONYMS = {
    **dict.fromkeys(("INT", "SMALLINT", "INTEGER", "BIGINT", "TINYINT", "BYTEINT"), "INT64"),
    "DECIMAL": "NUMERIC",
    "BIGDECIMAL": "BIGNUMERIC",
    "BOOLEAN": "BOOL",
}
"""Other names that BigQuery's DDL and casts take for a type."""


def type_proto(name: str) -> Any:
    """The engine's type.

    Args:
        name: the type as SQL writes it: a scalar, ARRAY<type>, RANGE<type> or STRUCT<name type, …>.

    Raises:
        ValueError: BigQuery has no type of that name.
    """
    from zetasql.wasi._pb2.zetasql.public import type_pb2

    name = name.strip()
    proto = type_pb2.TypeProto()
    outer, _, inner = name.partition("<")
    outer = outer.strip().upper()
    if inner:
        inner = inner.rstrip().removesuffix(">")
    if outer == "ARRAY":
        proto.type_kind = type_pb2.TYPE_ARRAY
        proto.array_type.element_type.CopyFrom(type_proto(inner))
    elif outer == "RANGE":
        proto.type_kind = type_pb2.TYPE_RANGE
        proto.range_type.element_type.CopyFrom(type_proto(inner))
    elif outer == "STRUCT":
        proto.type_kind = type_pb2.TYPE_STRUCT
        proto.struct_type.SetInParent()
        for field in _fields(inner):
            field_name, _, kind = field.partition(" ")
            is_named = kind and "<" not in field_name
            added = proto.struct_type.field.add(field_name=field_name.strip("`") if is_named else "")
            added.field_type.CopyFrom(type_proto(kind if is_named else field))
    else:
        scalar = SYNONYMS.get(outer, outer)
        if scalar not in KINDS:
            raise ValueError(f"{name} is not a type of BigQuery")
        proto.type_kind = type_pb2.TypeKind.Value(KINDS[scalar])
    return proto


def type_name(proto: Any) -> str:
    """The type as SQL writes it."""
    from zetasql.wasi._pb2.zetasql.public import type_pb2

    if proto.type_kind == type_pb2.TYPE_ARRAY:
        return f"ARRAY<{type_name(proto.array_type.element_type)}>"
    if proto.type_kind == type_pb2.TYPE_RANGE:
        return f"RANGE<{type_name(proto.range_type.element_type)}>"
    if proto.type_kind == type_pb2.TYPE_STRUCT:
        fields = (f"{field.field_name} {type_name(field.field_type)}".strip() for field in proto.struct_type.field)
        return f"STRUCT<{', '.join(fields)}>"
    name = type_pb2.TypeKind.Name(proto.type_kind)
    return next((known for known, kind in KINDS.items() if kind == name), name.removeprefix("TYPE_"))


def _fields(text: str) -> list[str]:
    """The fields of a STRUCT's text: split at the commas that are not inside a type of their own."""
    fields, depth, start = [], 0, 0
    for position, character in enumerate(text):
        depth += (character in "<(") - (character in ">)")
        if character == "," and not depth:
            fields.append(text[start:position])
            start = position + 1
    return [field.strip() for field in (*fields, text[start:]) if field.strip()]
