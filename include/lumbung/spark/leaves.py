"""The JSON of contract events, as expressions over columns and what was sent of them, named `sent_…`.

A leaf is an operation with the new and the old value; without either, and where nothing changed, there is no leaf.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

from pyspark.sql import functions as f

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

INSERT, UPDATE, DELETE = "INSERT", "UPDATE", "DELETE"
TITLE = {"title_1": "lgl_ttl_ln_1", "title_2": "lgl_ttl_ln_2"}
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
_SEVEN_HOURS_SINCE = datetime(1964, 1, 1, tzinfo=UTC)
_MIDNIGHT = "YYYY-MM-DD 00:00:00.000"
_ESCAPED_BACKSLASH, _NEVER_IN_JSON = "\\\\", "\x01"


def instant(name: str) -> Column:
    """The instant, cut to milliseconds, of YYYY-MM-DD[T| ]HH:MM[:SS[.fraction]][Z|±HH:MM] or YYYY-MM-DD.

    Without a zone it is Asia/Jakarta's. What it lacks is added before engines cast it, as they take neither a zone
    after HH:MM nor every number of digits.
    """
    text = f.col(name)
    has_offset = (f.length(text) > len("YYYY-MM-DD HH:MM")) & text.substr(-6, 1).isin("+", "-")
    zone = f.when(has_offset, text.substr(-6, 6)).when(text.endswith("Z"), "Z").otherwise("")
    local = text.substr(f.lit(1), f.length(text) - f.length(zone))
    lacking = f.substring(f.lit(_MIDNIGHT), f.length(local) + 1, f.lit(len(_MIDNIGHT)))
    # The session's zone is UTC, so that this is what a clock of the text's zone shows.
    clock = f.concat(local, lacking).substr(1, len(_MIDNIGHT)).cast("timestamp")
    ahead = f.when(zone == "Z", 0).otherwise(zone.substr(2, 2).cast("int") * 60 + zone.substr(5, 2).cast("int"))
    minutes = f.when(zone.startswith("-"), -ahead).otherwise(ahead)
    return (
        f.when(zone != "", f.timestamp_millis(f.unix_millis(clock) - minutes * 60_000))
        .when(clock >= f.lit(_SEVEN_HOURS_SINCE), clock - f.expr("INTERVAL 7 HOURS"))
        .otherwise(f.to_utc_timestamp(clock, "Asia/Jakarta"))
    )


def differs(*names: str) -> Column:
    """Whether any column is not what was sent."""
    return reduce(or_, (~f.col(name).eqNullSafe(f.col(f"sent_{name}")) for name in names))


def has_any(prefix: str, names: Iterable[str]) -> Column:
    """Whether any column has a value."""
    return reduce(or_, (f.col(f"{prefix}{name}").isNotNull() for name in names))


def with_payload(rows: DataFrame, schema_version: str) -> DataFrame:
    """Rows with the column `payload`: compact JSON, null where the operation is not that of an event.

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


def relation() -> Column:
    """The JSON of a party that changed."""
    party, is_there = f.col("party_id"), f.col("is_there")
    operation = f.when(f.col("was_sent"), UPDATE).otherwise(INSERT).alias("operation")
    name = f.struct(operation, party.alias("newValue")).alias("partyIdentifier")
    gone = f.struct(f.lit(DELETE).alias("operation"), party.alias("oldValue")).alias("partyIdentifier")
    values = [
        _plain("relation_type", "partyRelationshipType"),
        _plain("relation_start_at", "partyRelationStartDateTime"),
        _whole(ADDRESS, "partyAddress"),
    ]
    return f.when(is_there, f.to_json(f.struct(name, *values), _FORMATS)).otherwise(f.to_json(f.struct(gone)))


def _leaf(field: str, names: Collection[str], value: Callable[[str], Column]) -> Column:
    """The leaf of columns, compared whole.

    Args:
        field: what it is named.
        names: the columns.
        value: makes the value of columns of a prefix.
    """
    is_new, was_old = has_any("", names), has_any("sent_", names)
    leaf = f.struct(
        f.when(~was_old, INSERT).when(~is_new, DELETE).otherwise(UPDATE).alias("operation"),
        f.when(is_new, value("")).alias("newValue"),
        f.when(was_old, value("sent_")).alias("oldValue"),
    )
    return f.when(differs(*names), leaf).alias(field)


def _plain(name: str, field: str) -> Column:
    """The leaf of one column."""
    return _leaf(field, [name], lambda prefix: f.col(f"{prefix}{name}"))


def _whole(fields: Mapping[str, str], field: str) -> Column:
    """The leaf of columns that are the fields of one value."""

    def value(prefix: str) -> Column:
        return f.struct(*(f.col(f"{prefix}{name}").alias(part) for name, part in fields.items()))

    return _leaf(field, fields, value)


def _title() -> Column:
    """The leaf of the lines of a title, a list of those there are."""

    def line(name: str, kind: str) -> Column:
        line = f.struct(f.lit(kind).alias("contractTitleLineType"), f.col(name).alias("contractTitleLine"))
        return f.when(f.col(name).isNotNull(), line)

    def value(prefix: str) -> Column:
        return f.array_compact(f.array(*(line(f"{prefix}{name}", kind) for name, kind in TITLE.items())))

    return _leaf("contractTitle", TITLE, value)


def _lower_case(name: str) -> Column:
    r"""JSON with control characters spelled as \u001f, as Sail does; Spark on the JVM spells \u001F."""
    json = f.col(name)
    lower = f.replace(json, f.lit(_ESCAPED_BACKSLASH), f.lit(_NEVER_IN_JSON))
    for code in (number for number in range(0x20) if f"{number:x}" != f"{number:X}"):
        lower = f.replace(lower, f.lit(rf"\u{code:04X}"), f.lit(rf"\u{code:04x}"))
    lower = f.replace(lower, f.lit(_NEVER_IN_JSON), f.lit(_ESCAPED_BACKSLASH))
    return f.when(json.rlike(r"\\u00[01][A-F]"), lower).otherwise(json)
