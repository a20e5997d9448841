"""Every query gives the same over random rows on both engines; `make faults` runs 50 rounds."""

import random

from lumbung.catalog.case import DAY
from lumbung.catalog.contract import Catalog
from support import engines
from support.bigquery_client import connect

SEED = 1
ROUNDS = 5


def test_both_engines_give_the_same(bigquery_server):
    catalog = Catalog()
    with connect(bigquery_server) as client:
        found = list(engines.differences(client, catalog, ROUNDS, SEED))
    assert len(found) == ROUNDS * sum(contract.sql_path.exists() for contract in catalog.contracts.values())
    assert [difference for difference in found if difference] == []


def test_a_row_too_few_is_found(bigquery_server, small_catalog, monkeypatch):
    load = engines._load
    monkeypatch.setattr(engines, "_load", lambda client, contract, rounds: load(client, contract, [[], rounds[1][1:]]))

    def drawn(contract, *_):
        rows = ({"id": str(number), "snapshot_date": DAY} for number in range(2))
        return [{column.name: row[column.name] for column in contract.columns if column.name in row} for row in rows]

    monkeypatch.setattr(engines, "random_rows", drawn)
    with connect(bigquery_server) as client:
        found = [difference for difference in engines.differences(client, small_catalog, 2, SEED) if difference]
    assert [difference.partition(":")[0] for difference in found] == [
        "dwh.dim_student, round 1",
        "dwh.fact_enrollment_daily, round 1",
    ]


def test_a_seed_draws_the_same_rows_and_nulls_repeats_and_midnights_are_among_them():
    contract = Catalog()["staging.tweet"]
    first, again, other = (
        [engines.random_rows(contract, ["saham"], choice) for _ in range(20)]
        for choice in (random.Random(1), random.Random(1), random.Random(2))
    )
    rows = [row for rows in first for row in rows]
    assert first == again != other
    assert [] in first
    assert len({row["tweet_id"] for row in rows}) < len(rows)
    assert {None, *engines.MIDNIGHTS} == {row["created_at"] for row in rows}
    assert {"saham", *engines.COMMON} <= {row["user_name"] for row in rows}
