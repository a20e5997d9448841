"""How long contract events take from snapshots in the lake to Kafka, beside bare scripts, and a day with few changes.

`python -m benchmarks.contracts WAY HOME KAFKA TOPIC DAY` does one of `WAYS` in a process of its own, and prints
`{"seconds": …, "cpu": …, "rows": …}`. A way's time has Spark's or DuckDB's start in it, but not Python's.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

import duckdb

from benchmarks.bare_producer import send
from benchmarks.results import Measure, Took, in_turn, medians
from benchmarks.span import report
from benchmarks.watch import program
from lumbung.core.settings import Settings
from lumbung.local.kafka import broker
from lumbung.pipeline.extract import extract
from lumbung.pipeline.run import Run
from lumbung.pipeline.snapshot import newest_version
from lumbung.pipeline.target import Target
from lumbung.storage.lake import FolderLake, open_lake
from lumbung.systems.contract_events import steps
from lumbung.systems.contract_events.generate import generate
from lumbung.systems.contract_events.plan import plan_path
from lumbung.systems.contract_events.sending import plan_of
from lumbung.systems.contract_events.topic import open_cluster

if TYPE_CHECKING:
    from lumbung.storage.warehouse import Warehouse

SYSTEM = "contract_events"
FIRST = date(2026, 11, 1)
OURS, FEW = "lumbung: events and send", "a day on which 1 % changed"
SQL = """
    WITH relation AS (
        SELECT
            account_id,
            list({
                partyIdentifier: {operation: 'INSERT', newValue: party_id},
                partyRelationshipType: {operation: 'INSERT', newValue: relation_type},
                partyRelationStartDateTime: {operation: 'INSERT', newValue: relation_start_date},
                partyAddress: {operation: 'INSERT', newValue: {
                    addressLine1: address_line_1, addressLine2: address_line_2, addressCity: city,
                    addressPostalCode: postal_code, addressCountry: country_of_address,
                    addressStartDate: address_start_date
                }}
            }) AS relations
        FROM party LEFT JOIN address USING (party_id)
        GROUP BY account_id
    )
    SELECT account_id, to_json({
        eventHeader: {
            eventIdentifier: uuid(), eventType: 'SBDL-Contract', majorSchemaVersion: 1, minorSchemaVersion: 0,
            eventDateTime: now()
        },
        keys: [{keyField: 'contractIdentifier', keyValue: account_id}],
        payload: {
            contractIdentifier: {operation: 'INSERT', newValue: account_id},
            sourceSystemIdentifier: {operation: 'INSERT', newValue: source_sys},
            contactStartDateTime: {operation: 'INSERT', newValue: account_start_date},
            contractTitle: {operation: 'INSERT', newValue: [
                {contractTitleLineType: 'lgl_ttl_ln_1', contractTitleLine: legal_title_1},
                {contractTitleLineType: 'lgl_ttl_ln_2', contractTitleLine: legal_title_2}
            ]},
            taxIdentifier: {operation: 'INSERT', newValue: {taxIdType: tax_id_type, taxId: tax_id}},
            contractBranchCode: {operation: 'INSERT', newValue: branch_code},
            contractCountry: {operation: 'INSERT', newValue: country},
            partyRelations: relations
        }
    }) AS value
    FROM account LEFT JOIN relation USING (account_id)
    WHERE active_ind = '1'
"""


def run_of(settings: Settings, day: date) -> Run:
    """A run of a day; these steps know the lake only."""
    return Run(settings, cast("Warehouse", None), SYSTEM, f"bench {day}", day, datetime.now(UTC))


def take_snapshots(settings: Settings, source: Path, day: date) -> None:
    """Extract the three files, and check references."""
    run = run_of(settings, day)
    for contract in run.sources:
        extract(
            contract,
            day,
            lake=run.lake,
            data_source=source,
            dsn=None,
            run_id=run.run_id,
            started_at=run.started_at,
        )
    steps.snapshot(run)


def ours(settings: Settings, day: date) -> int:
    """The steps `events` and `send`: how many messages."""
    run = run_of(settings, day)
    steps.events(run)
    plan = plan_of(run.lake, plan_path(run))
    # What tables are built from beside it, `send` does not ask for.
    target = Target(
        system=SYSTEM,
        day=plan.day,
        generation=plan.generation,
        extracted_at=plan.extracted_at,
        provisional=plan.provisional,
        partitions=[],
        manifest=plan_path(run),
    )
    return steps.send(run, target).rows_out


def snapshots(settings: Settings) -> list[str]:
    """The files of accounts, parties and addresses of the newest version."""
    lake = cast("FolderLake", open_lake(settings))
    version = newest_version(lake, SYSTEM)
    assert version
    return [lake.address(version.members[name].file.path) for name in ("account", "party", "party_address")]


def by_duckdb(settings: Settings, _day: date) -> int:
    """Join and nest by DuckDB, and send."""
    with duckdb.connect() as db:
        for name, file in zip(("account", "party", "address"), snapshots(settings), strict=True):
            db.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet('{file}', hive_partitioning = false)")
        rows = db.execute(SQL)

        def messages() -> Iterable[tuple[str, str]]:
            while block := rows.fetchmany(10_000):
                yield from block

        return send(open_cluster(settings), messages())


def by_sail(settings: Settings, _day: date) -> int:
    """Join and nest by DataFrames on Sail, and send."""
    from pyspark.sql import Column
    from pyspark.sql import functions as f

    from lumbung.spark.session import session

    def leaf(value: Column, name: str) -> Column:
        return f.struct(f.lit("INSERT").alias("operation"), value.alias("newValue")).alias(name)

    def plain(column: str, name: str) -> Column:
        return leaf(f.col(column), name)

    def line(column: str, kind: str) -> Column:
        return f.struct(f.lit(kind).alias("contractTitleLineType"), f.col(column).alias("contractTitleLine"))

    def named(names: dict[str, str]) -> Column:
        return f.struct(*(f.col(column).alias(name) for column, name in names.items()))

    accounts, parties, addresses = snapshots(settings)
    with session(settings) as spark:
        place = {
            "address_line_1": "addressLine1",
            "address_line_2": "addressLine2",
            "city": "addressCity",
            "postal_code": "addressPostalCode",
            "country_of_address": "addressCountry",
            "address_start_date": "addressStartDate",
        }
        relations = (
            spark.read.parquet(parties)
            .join(spark.read.parquet(addresses), "party_id", "left")
            .groupBy("account_id")
            .agg(
                f.collect_list(
                    f.struct(
                        plain("party_id", "partyIdentifier"),
                        plain("relation_type", "partyRelationshipType"),
                        plain("relation_start_date", "partyRelationStartDateTime"),
                        leaf(named(place), "partyAddress"),
                    )
                ).alias("relations")
            )
        )
        header = f.struct(
            f.expr("uuid()").alias("eventIdentifier"),
            f.lit("SBDL-Contract").alias("eventType"),
            f.lit(1).alias("majorSchemaVersion"),
            f.lit(0).alias("minorSchemaVersion"),
            f.current_timestamp().alias("eventDateTime"),
        )
        key = f.struct(f.lit("contractIdentifier").alias("keyField"), f.col("account_id").alias("keyValue"))
        payload = f.struct(
            plain("account_id", "contractIdentifier"),
            plain("source_sys", "sourceSystemIdentifier"),
            plain("account_start_date", "contactStartDateTime"),
            leaf(
                f.array(line("legal_title_1", "lgl_ttl_ln_1"), line("legal_title_2", "lgl_ttl_ln_2")), "contractTitle"
            ),
            leaf(named({"tax_id_type": "taxIdType", "tax_id": "taxId"}), "taxIdentifier"),
            plain("branch_code", "contractBranchCode"),
            plain("country", "contractCountry"),
            f.col("relations").alias("partyRelations"),
        )
        event = f.to_json(f.struct(header.alias("eventHeader"), f.array(key).alias("keys"), payload.alias("payload")))
        active = spark.read.parquet(accounts).where("active_ind = '1'")
        rows = active.join(relations, "account_id", "left").select("account_id", event.alias("value")).toArrow()
        messages = (
            pair
            for batch in rows.to_batches(10_000)
            for pair in zip(*(column.to_pylist() for column in batch.columns), strict=True)
        )
        return send(open_cluster(settings), messages)


WAYS: dict[str, Callable[[Settings, date], int]] = {"ours": ours, "duckdb": by_duckdb, "sail": by_sail}


def settings_of(home: Path, kafka: str, topic: str) -> Settings:
    """A home's settings."""
    return Settings.of(home=home, kafka=kafka, contract_events_topic=topic, spark="sail")


def measure(contracts: int, rounds: int, say: Callable[[str], object]) -> list[Measure]:
    """Measure all, taking turns: each time with a new topic, and ours in a new home; then a day with few changes."""
    changed: list[Took] = []
    with tempfile.TemporaryDirectory(prefix="lumbung-bench-") as name:
        folder = Path(name)
        for step in range(2):
            generate(folder / f"{step}", contracts=contracts, seed=1, step=step)
        base = folder / "base"
        take_snapshots(Settings.of(home=base), folder / "0", FIRST)

        def took(what: str, way: str, home: Path, topic: str, day: date) -> Took:
            command = [sys.executable, "-m", "benchmarks.contracts", way, home, kafka, topic, f"{day}"]
            return program(what, command)

        def bare(what: str, way: str) -> Took:
            return took(what, way, base, f"b{uuid.uuid4().hex}", FIRST)

        def full() -> Took:
            home, topic = Path(tempfile.mkdtemp(dir=folder)) / "home", f"c{uuid.uuid4().hex}"
            shutil.copytree(base, home)
            first = took(OURS, "ours", home, topic, FIRST)
            next_day = FIRST + timedelta(days=1)
            take_snapshots(settings_of(home, kafka, topic), folder / "1", next_day)
            changed.append(took(FEW, "ours", home, topic, next_day))
            say(f"{FEW}: {changed[-1].seconds:.2f} s, {changed[-1].rows} messages")
            shutil.rmtree(home)
            return first

        by = {f"{engine}, and an idempotent producer": way for engine, way in (("DuckDB", "duckdb"), ("Sail", "sail"))}
        with broker(Settings.of(home=folder / "kafka")) as kafka:
            ways = {**{what: partial(bare, what, way) for what, way in by.items()}, OURS: full}
            results = in_turn(ways, rounds, say)
    if len({result.rows for result in results}) != 1:
        raise SystemExit(f"not the same number of messages: {results}")
    scripts, mine = sorted(results[:-1], key=lambda result: result.seconds), results[-1]
    change = medians(changed)
    notes = [
        f"The quicker script comes first: {scripts[0].what}. The scripts make every event an INSERT with a random"
        " identifier and null leaves, keep no state, check nothing, write nothing down and send at least once. Memory"
        " is of one process, in which Spark or DuckDB runs, too."
    ]
    few = [f"{change.rows:,} messages. All contracts are compared with what was sent last."]
    return [
        Measure(
            f"Contract events of {contracts:,} contracts, from snapshots in the lake to Kafka",
            "at most 2 x the quicker script, and 2 GB",
            [*scripts, mine],
            notes,
        ),
        Measure(
            f"Contract events, {contracts:,} contracts of which 1 % changed",
            "at most 0.35 x the day on which all are new",
            [mine, change],
            few,
        ),
    ]


def main() -> None:
    """Do one of `WAYS`."""
    way, home, kafka, topic, day = sys.argv[1:]
    report(lambda: WAYS[way](settings_of(Path(home), kafka, topic), date.fromisoformat(day)))


if __name__ == "__main__":
    main()
