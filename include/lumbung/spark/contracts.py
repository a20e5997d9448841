"""What changed in contracts since they were sent, as events: one DataFrame code for Sail, Spark Connect and Dataproc.

Accounts, parties and addresses of one version are compared with the contracts and parties that the last sending left.
They are compared as flat columns; only what changed is nested and becomes JSON. There is no Python function among the
expressions, so that a server needs no packages, and each engine gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
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

    def state(files: Sequence[str], schema: pa.Schema) -> DataFrame:
        if not files:
            return session.range(0).select(
                *(f.lit(None).cast(_TYPES[field.type]).alias(field.name) for field in schema)
            )
        return within(session.read.parquet(*files), "contract_id").select(*schema.names)

    accounts = _accounts(within(session.read.parquet(*inputs.accounts), "account_id"))
    parties = _parties(
        within(session.read.parquet(*inputs.parties), "account_id"), session.read.parquet(*inputs.addresses)
    )
    sent = state(inputs.contracts, CONTRACTS)
    sent_parties = state(inputs.contract_parties, PARTIES)
    # An id that is held need not be of an account, nor of a contract.
    held = _held(parties, session.read.parquet(*inputs.holds), within) if inputs.holds else None
    rows = _rows(accounts, sent, _relations(parties, sent_parties), held, day, schema_version, holds_removals)
    return Frames(rows, _parties_after(accounts, parties, sent_parties, rows, held, holds_removals))


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
        rows = frames.rows.toArrow().sort_by("contract_id")
        events = rows.filter(pc.is_valid(rows["operation"])).select(EVENTS.names).cast(EVENTS)
        contracts = rows.filter(rows["is_kept"]).select(CONTRACTS.names).cast(CONTRACTS)
        del rows
        order = [("contract_id", "ascending"), ("party_id", "ascending")]
        yield Chunk(events, contracts, frames.parties.toArrow().cast(PARTIES).sort_by(order))


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
    started = f.col("address_start_date").cast("date").alias("address_start_date")
    texts = [name for name in leaves.ADDRESS if name != "address_start_date"]
    return parties.select(
        f.col("account_id").alias("contract_id"),
        "party_id",
        "relation_type",
        leaves.instant("relation_start_date").alias("relation_start_at"),
    ).join(addresses.select("party_id", *texts, started, f.lit(True).alias("has_address")), "party_id", "left")


def _sent(frame: DataFrame, *keys: str) -> DataFrame:
    """The columns of a state, named `sent_…` beside the present ones, but for the keys."""
    return frame.select(*keys, *(f.col(name).alias(f"sent_{name}") for name in frame.columns if name not in keys))


def _relations(parties: DataFrame, sent_parties: DataFrame) -> DataFrame:
    """Of each contract whose parties differ the list of those, in order, and whether a row of any is missing."""
    keys = ["contract_id", "party_id"]
    sides = parties.withColumn("is_there", f.lit(True)).join(
        _sent(sent_parties.withColumn("was", f.lit(True)), *keys), keys, "full"
    )
    is_new, is_gone = f.col("sent_was").isNull(), f.col("is_there").isNull()
    values = [name for name in PARTIES.names if name not in keys]
    lacks = is_gone | (leaves.has_any("sent_", leaves.ADDRESS) & f.col("has_address").isNull())
    in_order = f.sort_array(f.collect_list(f.struct("party_id", leaves.relation(is_new, is_gone).alias("json"))))
    texts = f.transform(in_order, lambda party: party["json"])
    return (
        sides.where(is_new | is_gone | leaves.differs(*values))
        .withColumn("lacks", lacks)
        .groupBy("contract_id")
        .agg(
            f.concat(f.lit("["), f.array_join(texts, ","), f.lit("]")).alias("relations"), f.max("lacks").alias("lacks")
        )
    )


def _held(parties: DataFrame, holds: DataFrame, within: Callable[[DataFrame, str], DataFrame]) -> DataFrame:
    """The ids of contracts with a rejected row of their own."""
    by_party = parties.join(holds.where(f.col("party_id").isNotNull()).select("party_id"), "party_id", "semi")
    by_contract = within(holds.where(f.col("contract_id").isNotNull()), "contract_id")
    return by_contract.select("contract_id").union(by_party.select("contract_id")).distinct()


def _rows(
    accounts: DataFrame,
    sent: DataFrame,
    relations: DataFrame,
    held: DataFrame | None,
    day: date,
    schema_version: str,
    holds_removals: bool,
) -> DataFrame:
    """`Frames.rows`."""
    sides = accounts.join(_sent(sent, "contract_id"), "contract_id", "full")
    if held is not None:
        sides = sides.join(held.withColumn("is_named", f.lit(True)), "contract_id", "full")
    sides = sides.join(relations, "contract_id", "left")
    has_account, was_sent = f.col("is_active").isNotNull(), f.col("sent_first_sent_day").isNotNull()
    is_active = f.coalesce(f.col("is_active"), f.lit(False))
    is_held = f.lit(False) if held is None else f.coalesce(f.col("is_named"), f.lit(False))
    if holds_removals:
        is_held |= was_sent & (~has_account | (is_active & f.coalesce(f.col("lacks"), f.lit(False))))
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
    accounts: DataFrame,
    parties: DataFrame,
    sent_parties: DataFrame,
    rows: DataFrame,
    held: DataFrame | None,
    holds_removals: bool,
) -> DataFrame:
    """The parties of contracts afterwards: as they are, or of a held contract as they were sent."""
    active = accounts.where("is_active").select("contract_id")
    if holds_removals:
        held = rows.where("is_held").select("contract_id")
    if held is None:
        return parties.join(active, "contract_id", "semi").select(*PARTIES.names)
    current = parties.join(active.join(held, "contract_id", "anti"), "contract_id", "semi")
    return current.select(*PARTIES.names).union(sent_parties.join(held, "contract_id", "semi").select(*PARTIES.names))
