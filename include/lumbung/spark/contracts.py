"""What changed in contracts since they were sent, as events: one DataFrame code for Sail, Spark Connect and Dataproc.

Accounts, parties and addresses of one version are compared with the contracts and parties that the last sending left.
They are compared as flat columns; only what changed is nested and becomes JSON. There is no Python function among the
expressions, so that a server needs no packages, and each engine gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyspark.sql import functions as f

from lumbung.spark import leaves
from lumbung.spark.leaves import DELETE, INSERT, UPDATE

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

HELD = "HELD"
# Contracts of a range. Each range reads all files again, so few are fast; an event of all leaves takes 1.3 KB, so that
# small ones are lean. Of a first sending each contract has one, of a later one few have: with these a process of Sail
# peaks at 1.3 and 0.9 GB over a million contracts.
FIRST_RANGE, LATER_RANGE = 100_000, 200_000

EVENTS = pa.schema(
    [
        pa.field("contract_id", pa.string(), nullable=False),
        pa.field("operation", pa.string(), nullable=False),
        ("payload", pa.string()),
    ]
)
CONTRACTS = pa.schema(
    [
        pa.field("contract_id", pa.string(), nullable=False),
        ("source_system", pa.string()),
        ("contract_start_at", pa.timestamp("us", UTC)),
        ("title_1", pa.string()),
        ("title_2", pa.string()),
        ("tax_id_type", pa.string()),
        ("tax_id", pa.string()),
        ("branch_code", pa.string()),
        ("country", pa.string()),
        pa.field("first_sent_day", pa.date32(), nullable=False),
        pa.field("last_sent_day", pa.date32(), nullable=False),
        pa.field("is_held", pa.bool_(), nullable=False),
    ]
)
PARTIES = pa.schema(
    [
        pa.field("contract_id", pa.string(), nullable=False),
        pa.field("party_id", pa.string(), nullable=False),
        ("relation_type", pa.string()),
        ("relation_start_at", pa.timestamp("us", UTC)),
        ("address_line_1", pa.string()),
        ("address_line_2", pa.string()),
        ("city", pa.string()),
        ("postal_code", pa.string()),
        ("country_of_address", pa.string()),
        ("address_start_date", pa.date32()),
    ]
)
_TYPES = {pa.string(): "string", pa.timestamp("us", UTC): "timestamp", pa.date32(): "date", pa.bool_(): "boolean"}


@dataclass(frozen=True)
class Inputs:
    """Addresses of Parquet files, as the engine reaches them.

    Attributes:
        accounts: columns of `staging.account`.
        parties: columns of `staging.party`.
        addresses: columns of `staging.party_address`.
        contracts: `CONTRACTS` after the last sending; none: nothing was sent.
        contract_parties: `PARTIES` after the last sending.
        holds: contract_id and party_id, one of them null, of rows that were rejected.
    """

    accounts: list[str]
    parties: list[str]
    addresses: list[str]
    contracts: list[str]
    contract_parties: list[str]
    holds: list[str]


@dataclass(frozen=True)
class Chunk:
    """What a range of contracts gives; each table is sorted by the bytes of its ids.

    Attributes:
        events: `EVENTS`; the payload is compact JSON, null where the contract is held.
        contracts: `CONTRACTS` after these events.
        parties: `PARTIES` after these events.
    """

    events: pa.Table
    contracts: pa.Table
    parties: pa.Table


@dataclass(frozen=True)
class Frames:
    """The same, in no order.

    Attributes:
        rows: events and contracts side by side, so that they are computed at once: `EVENTS` with a null operation where
            nothing is to be said, the columns of `CONTRACTS`, and `is_kept`: whether the contract is one afterwards.
        parties: the columns of `PARTIES`.
    """

    rows: DataFrame
    parties: DataFrame

    @property
    def events(self) -> DataFrame:
        """The columns of `EVENTS`."""
        return self.rows.where(f.col("operation").isNotNull()).select(*EVENTS.names)

    @property
    def contracts(self) -> DataFrame:
        """The columns of `CONTRACTS`."""
        return self.rows.where("is_kept").select(*CONTRACTS.names)


def changes(
    session: SparkSession,
    inputs: Inputs,
    *,
    day: date,
    schema_version: str,
    holds_removals: bool,
    low: str | None = None,
    high: str | None = None,
) -> Frames:
    """What changed in contracts, and what they are afterwards.

    Args:
        session: of any engine; its time zone is UTC.
        inputs: the files.
        day: of the version.
        schema_version: of the events: 1.0, or 1.1, which has `contractStartDateTime`, too.
        holds_removals: whether what is missing may have been rejected: then a contract of which anything is missing is
            held.
        low: the least contract id; None: of all.
        high: the first contract id, by bytes, that is left out; None: none is.
    """

    def within(frame: DataFrame, contract: str) -> DataFrame:
        if low is not None:
            frame = frame.where(f.col(contract) >= low)
        return frame if high is None else frame.where(f.col(contract) < high)

    def sent(files: Sequence[str], schema: pa.Schema) -> DataFrame | None:
        return within(session.read.parquet(*files), "contract_id").select(*schema.names) if files else None

    accounts = _accounts(within(session.read.parquet(*inputs.accounts), "account_id"))
    relations = within(session.read.parquet(*inputs.parties), "account_id").withColumnRenamed(
        "account_id", "contract_id"
    )
    parties = _parties(relations, session.read.parquet(*inputs.addresses))
    sent_parties = sent(inputs.contract_parties, PARTIES)
    held = None
    if inputs.holds:
        holds = session.read.parquet(*inputs.holds)
        # An id of these need not be of an account, nor of a contract.
        named = within(holds.where(f.col("contract_id").isNotNull()), "contract_id").select("contract_id")
        of_parties = holds.where(f.col("party_id").isNotNull()).select("party_id")
        held = named.union(relations.join(of_parties, "party_id", "semi").select("contract_id")).distinct()
    sides = _beside(accounts, sent(inputs.contracts, CONTRACTS), CONTRACTS, ["contract_id"])
    changed = _relations(_beside(parties, sent_parties, PARTIES, ["contract_id", "party_id"]))
    rows = _rows(sides, changed, held, day, schema_version, holds_removals)
    if holds_removals:
        held = rows.where("is_held").select("contract_id")
    return Frames(rows, _parties_after(accounts, parties, sent_parties, held))


def build(
    session: SparkSession,
    inputs: Inputs,
    *,
    day: date,
    schema_version: str,
    holds_removals: bool,
    ranges: Sequence[tuple[str | None, str | None]],
) -> Iterator[Chunk]:
    """What changed, a range of contracts after the other, so that memory holds one range.

    Args:
        session: of any engine; its time zone is UTC.
        inputs: the files.
        day: of the version.
        schema_version: of the events.
        holds_removals: whether a contract of which anything is missing is held.
        ranges: least contract id and first one that is left out, in order, together all ids.

    Yields:
        A chunk for each range.
    """
    if inputs.holds and session.read.parquet(*inputs.holds).isEmpty():
        inputs = replace(inputs, holds=[])  # nor need each range look for what it holds
    for low, high in ranges:
        frames = changes(
            session,
            inputs,
            day=day,
            schema_version=schema_version,
            holds_removals=holds_removals,
            low=low,
            high=high,
        )
        yield _chunk(frames)


def _chunk(frames: Frames) -> Chunk:
    # Payloads are most of the memory: they are copied as seldom as possible, and what was copied goes.
    rows = frames.rows.toArrow().combine_chunks()
    order = pc.sort_indices(rows["contract_id"])
    speaking, kept = (order.filter(pc.take(mask, order)) for mask in (rows["operation"].is_valid(), rows["is_kept"]))
    contracts = rows.select(CONTRACTS.names).take(kept).cast(CONTRACTS)
    events = rows.select(EVENTS.names).take(speaking).cast(EVENTS)
    del rows
    parties = frames.parties.toArrow().cast(PARTIES)
    return Chunk(events, contracts, parties.sort_by([("contract_id", "ascending"), ("party_id", "ascending")]))


def write(chunks: Iterable[Chunk], events: Path, contracts: Path, parties: Path) -> None:
    """Write chunks as zstd Parquet files, a row group for each: the same bytes from every engine.

    Args:
        chunks: what `build` gives.
        events: the file of `EVENTS`, written or replaced.
        contracts: the file of `CONTRACTS`.
        parties: the file of `PARTIES`.
    """
    with (
        pq.ParquetWriter(events, EVENTS, compression="zstd") as event_file,
        pq.ParquetWriter(contracts, CONTRACTS, compression="zstd") as contract_file,
        pq.ParquetWriter(parties, PARTIES, compression="zstd") as party_file,
    ):
        for chunk in chunks:
            event_file.write_table(chunk.events)
            contract_file.write_table(chunk.contracts)
            party_file.write_table(chunk.parties)
            del chunk  # before the next one is made


def _accounts(accounts: DataFrame) -> DataFrame:
    return accounts.select(
        f.col("account_id").alias("contract_id"),
        (f.col("active_ind") == "1").alias("is_active"),
        f.col("source_sys").alias("source_system"),
        leaves.instant("account_start_date").alias("contract_start_at"),
        f.col("legal_title_1").alias("title_1"),
        f.col("legal_title_2").alias("title_2"),
        *leaves.TAX,
        "branch_code",
        "country",
    )


def _parties(parties: DataFrame, addresses: DataFrame) -> DataFrame:
    """The columns of `PARTIES`, and `has_address`: whether there is a row of its address."""
    known = addresses.select("party_id", *leaves.ADDRESS, f.lit(True).alias("has_address"))
    return (
        parties.select("contract_id", "party_id", "relation_type", "relation_start_date")
        .join(known, "party_id", "left")
        # After the join: addresses are all there are, not only those of the range.
        .withColumn("address_start_date", f.col("address_start_date").cast("date"))
        .withColumn("relation_start_at", leaves.instant("relation_start_date"))
        .select(*PARTIES.names, "has_address")
    )


def _beside(frame: DataFrame, sent: DataFrame | None, schema: pa.Schema, keys: list[str]) -> DataFrame:
    """Rows and what was sent of the same keys, and what was sent of other keys.

    Args:
        frame: rows as they are.
        sent: rows of the schema; None: nothing was sent.
        schema: of what was sent.
        keys: of both.

    Returns:
        The frame's columns with `is_there`, and those of the schema as `sent_…` with `was_sent`.
    """
    frame = frame.withColumn("is_there", f.lit(True))
    fields = [field for field in schema if field.name not in keys]
    if sent is None:
        # Not a join with no rows: so engines leave out what can only be null.
        nulls = {f"sent_{field.name}": f.lit(None).cast(_TYPES[field.type]) for field in fields}
        return frame.withColumns({**nulls, "was_sent": f.lit(False)})
    columns = [f.col(field.name).alias(f"sent_{field.name}") for field in fields]
    return (
        frame.join(sent.select(*keys, *columns, f.lit(True).alias("was_sent")), keys, "full")
        .withColumn("is_there", f.coalesce("is_there", f.lit(False)))
        .withColumn("was_sent", f.coalesce("was_sent", f.lit(False)))
    )


def _relations(sides: DataFrame) -> DataFrame:
    """Of each contract whose parties differ the JSON list of those, in order, and whether a row of any is missing."""
    is_there, was_sent = f.col("is_there"), f.col("was_sent")
    values = [name for name in PARTIES.names if name not in ("contract_id", "party_id")]
    lacks = ~is_there | (leaves.has_any("sent_", leaves.ADDRESS) & f.col("has_address").isNull())
    in_order = f.sort_array(f.collect_list(f.struct("party_id", "json")))
    texts = f.array_join(f.transform(in_order, lambda party: party["json"]), ",")
    return (
        sides.where((is_there != was_sent) | leaves.differs(*values))
        .select("contract_id", "party_id", leaves.relation().alias("json"), lacks.alias("lacks"))
        .groupBy("contract_id")
        .agg(f.concat(f.lit("["), texts, f.lit("]")).alias("relations"), f.max("lacks").alias("lacks"))
    )


def _rows(
    sides: DataFrame,
    relations: DataFrame,
    held: DataFrame | None,
    day: date,
    schema_version: str,
    holds_removals: bool,
) -> DataFrame:
    """`Frames.rows`."""
    no = f.lit(False)
    is_active, is_held = f.coalesce("is_active", no), no
    was_sent = f.coalesce("was_sent", no)
    if held is not None:
        sides = sides.join(held.withColumn("is_named", f.lit(True)), "contract_id", "full")
        is_held = f.coalesce("is_named", no)
    sides = sides.join(relations, "contract_id", "left")
    has_account = f.coalesce("is_there", no)
    if holds_removals:
        is_held |= was_sent & (~has_account | (is_active & f.coalesce("lacks", no)))
    values = [name for name in CONTRACTS.names[1:] if name not in ("first_sent_day", "last_sent_day", "is_held")]
    differs = leaves.differs(*values) | f.col("relations").isNotNull()
    change = f.when(is_active & ~was_sent, INSERT).when(is_active & differs, UPDATE).when(was_sent & ~is_active, DELETE)
    operation = f.when(~f.col("is_held"), change).when(was_sent | is_active | ~has_account, HELD)
    speaks = f.col("operation").isin(INSERT, UPDATE)
    rows = (
        sides.withColumn("is_held", is_held)
        .withColumn("operation", operation)
        .withColumn("is_kept", f.when(f.col("is_held"), was_sent).otherwise(is_active))
        .where(f.col("is_kept") | f.col("operation").isNotNull())
    )
    return leaves.with_payload(rows, schema_version).select(
        *EVENTS.names,
        *(f.when(f.col("is_held"), f.col(f"sent_{name}")).otherwise(f.col(name)).alias(name) for name in values),
        f.coalesce("sent_first_sent_day", f.lit(day)).alias("first_sent_day"),
        f.when(speaks, f.lit(day)).otherwise(f.col("sent_last_sent_day")).alias("last_sent_day"),
        "is_held",
        "is_kept",
    )


def _parties_after(
    accounts: DataFrame, parties: DataFrame, sent_parties: DataFrame | None, held: DataFrame | None
) -> DataFrame:
    """The parties of contracts afterwards: as they are, or of a held contract as they were sent."""
    contracts = accounts.where("is_active").select("contract_id")
    if held is not None:
        contracts = contracts.join(held, "contract_id", "anti")
    current = parties.join(contracts, "contract_id", "semi").select(*PARTIES.names)
    if held is None or sent_parties is None:
        return current
    return current.union(sent_parties.join(held, "contract_id", "semi").select(*PARTIES.names))
