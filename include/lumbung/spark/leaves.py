"""The JSON of contract events, as expressions over columns and what was sent of them, named `sent_…`.

A leaf is an operation with the new and the old value; without either, and where nothing changed, there is no leaf.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

from pyspark.sql import functions as f

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

INSERT, UPDATE, DELETE = "INSERT", "UPDATE", "DELETE"
TITLE = ("title_1", "title_2")
TAX = {"tax_id_type": "taxIdType", "tax_id": "taxId"}
ADDRESS = {
    "address_line_1": "addressLine1",
    "address_line_2": "addressLine2",
    "city": "addressCity",
    "postal_code": "addressPostalCode",
    "country_of_address": "addressCountry",
    "address_start_date": "addressStartDate",
}
_FORMATS = {"timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSXXX", "dateFormat": "yyyy-MM-dd"}
# Since then Jakarta is seven hours ahead; engines look up what was before, which takes longer.
_SEVEN_HOURS_SINCE = -189_388_800_000  # 1964-01-01T00:00:00Z
_ESCAPED_BACKSLASH, _NEVER_IN_JSON = "\\\\", "\x01"


def instant(name: str) -> Column:
    """An instant, whole milliseconds, of YYYY-MM-DD[T| ]HH:MM[:SS[.fraction]][Z|±HH:MM] or YYYY-MM-DD.

    It is reckoned in numbers, as a cast takes no zone after HH:MM, nor more than six digits, and engines differ.
    """
    text = f.col(name)

    def number(column: Column, start: int, unit: int) -> Column:
        return f.coalesce(f.nullif(column.substr(start, 2), f.lit("")).cast("bigint"), f.lit(0)) * unit

    def part(pattern: str) -> Column:
        return f.regexp_extract(text, pattern, 1)

    days = f.unix_date(text.substr(1, 10).cast("date")) * f.lit(86_400_000).cast("bigint")
    local = (
        days
        + number(text, 12, 3_600_000)
        + number(text, 15, 60_000)
        + number(part("^.{16}:(..)"), 1, 1000)
        + f.rpad(part("[.]([0-9]{1,3})"), 3, "0").cast("bigint")
    )
    zone = part("([+-][0-9][0-9]:[0-9][0-9])$")
    offset = number(zone, 2, 3_600_000) + number(zone, 5, 60_000)
    instant = f.when(zone.startswith("-"), local + offset).otherwise(local - offset)
    in_jakarta = f.when(local >= _SEVEN_HOURS_SINCE, f.timestamp_millis(local - 7 * 3_600_000)).otherwise(
        f.to_utc_timestamp(f.timestamp_millis(local), "Asia/Jakarta")
    )
    return f.when(text.endswith("Z") | (zone != ""), f.timestamp_millis(instant)).otherwise(in_jakarta)


def differs(*names: str) -> Column:
    """Whether any column is not what was sent."""
    return reduce(or_, (~f.col(name).eqNullSafe(f.col(f"sent_{name}")) for name in names))


def has_any(prefix: str, names: Iterable[str]) -> Column:
    """Whether any column has a value."""
    return reduce(or_, (f.col(f"{prefix}{name}").isNotNull() for name in names))


def with_payload(rows: DataFrame, schema_version: str) -> DataFrame:
    """Rows with the column `payload`: compact JSON, null where the operation is no event's.

    Args:
        rows: contracts as they are and as they were sent; `operation`; `relations`: JSON of the parties that changed.
        schema_version: 1.0, or 1.1, which has `contractStartDateTime`, too.
    """
    contract, operation = f.col("contract_id"), f.col("operation")
    started = ["contactStartDateTime", *(["contractStartDateTime"] if schema_version == "1.1" else [])]
    leaves = f.struct(
        f.struct(operation.alias("operation"), contract.alias("newValue")).alias("contractIdentifier"),
        _plain("source_system", "sourceSystemIdentifier"),
        *(_plain("contract_start_at", field) for field in started),
        _title(),
        _whole(TAX, "taxIdentifier"),
        _plain("branch_code", "contractBranchCode"),
        _plain("country", "contractCountry"),
    )
    gone = f.struct(f.struct(operation.alias("operation"), contract.alias("oldValue")).alias("contractIdentifier"))
    json = f.when(operation.isin(INSERT, UPDATE), f.to_json(leaves, _FORMATS)).when(
        operation == DELETE, f.to_json(gone)
    )
    # An INSERT says that there are no parties, an UPDATE that they are as they were.
    relations = f.when(operation != DELETE, f.coalesce("relations", f.when(operation == INSERT, "[]")))
    whole = f.concat(
        f.expr("substring(json, 1, length(json) - 1)"), f.lit(',"partyRelations":'), "relations", f.lit("}")
    )
    # A column after the other: an engine may reckon an expression as often as it is written.
    return (
        rows.withColumn("json", json)
        .withColumn("relations", relations)
        .withColumn("payload", f.when(f.col("relations").isNull(), f.col("json")).otherwise(whole))
        .withColumn("payload", _lower_case("payload"))
    )


def relation(is_new: Column, is_gone: Column) -> Column:
    """The JSON of a party that changed."""
    party = f.col("party_id")

    identifier = f.struct(
        f.when(is_new, INSERT).when(is_gone, DELETE).otherwise(UPDATE).alias("operation"),
        f.when(~is_gone, party).alias("newValue"),
        f.when(is_gone, party).alias("oldValue"),
    )
    values = [
        _plain("relation_type", "partyRelationshipType"),
        _plain("relation_start_at", "partyRelationStartDateTime"),
        _whole(ADDRESS, "partyAddress"),
    ]
    name = identifier.alias("partyIdentifier")
    return f.when(is_gone, f.to_json(f.struct(name))).otherwise(f.to_json(f.struct(name, *values), _FORMATS))


def _leaf(differs: Column, new: Column, old: Column) -> Column:
    operation = f.when(old.isNull(), INSERT).when(new.isNull(), DELETE).otherwise(UPDATE)
    return f.when(differs, f.struct(operation.alias("operation"), new.alias("newValue"), old.alias("oldValue")))


def _plain(name: str, field: str) -> Column:
    """The leaf of a column, as the field."""
    return _leaf(differs(name), f.col(name), f.col(f"sent_{name}")).alias(field)


def _whole(names: Mapping[str, str], field: str) -> Column:
    """The leaf of columns that are one value."""

    def value(prefix: str) -> Column:
        parts = f.struct(*(f.col(f"{prefix}{name}").alias(part) for name, part in names.items()))
        return f.when(has_any(prefix, names), parts)

    return _leaf(differs(*names), value(""), value("sent_")).alias(field)


def _title() -> Column:
    def value(prefix: str) -> Column:
        lines = [
            f.when(
                f.col(f"{prefix}{name}").isNotNull(),
                f.struct(
                    f.lit(f"lgl_ttl_ln_{number}").alias("contractTitleLineType"),
                    f.col(f"{prefix}{name}").alias("contractTitleLine"),
                ),
            )
            for number, name in enumerate(TITLE, 1)
        ]
        return f.when(has_any(prefix, TITLE), f.array_compact(f.array(*lines)))

    return _leaf(differs(*TITLE), value(""), value("sent_")).alias("contractTitle")


def _lower_case(name: str) -> Column:
    r"""JSON with control characters spelled as \u001f, as Sail does; Spark on the JVM spells \u001F."""
    json = f.col(name)
    lower = f.replace(json, f.lit(_ESCAPED_BACKSLASH), f.lit(_NEVER_IN_JSON))
    for code in (number for number in range(0x20) if f"{number:x}" != f"{number:X}"):
        lower = f.replace(lower, f.lit(rf"\u{code:04X}"), f.lit(rf"\u{code:04x}"))
    lower = f.replace(lower, f.lit(_NEVER_IN_JSON), f.lit(_ESCAPED_BACKSLASH))
    return f.when(json.rlike(r"\\u00[01][A-F]"), lower).otherwise(json)
