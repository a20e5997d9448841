"""Nothing lies on anything else: for the project's tables, and for random ones."""

import random
from itertools import combinations, pairwise

import pytest

from erd import files
from erd.layout import CHARACTER, COLUMNS, MARKS, PADDING, ROW, layout
from lumbung.catalog.contract import Catalog

CATALOG = Catalog()
SEEDS = range(20)


def random_contracts(make_contract, seed):
    """Three data sets of tables that refer to some of the tables before them, several by the same columns."""
    rng = random.Random(seed)
    contracts = []
    for dataset in ("staging", "dwh", "datamart"):
        for number in range(rng.randint(1, 9)):
            parents = rng.sample(contracts, min(len(contracts), rng.randint(0, 3)))
            checks = [
                {"references": {"columns": [rng.choice(["b", "c"])], "table": parent.address, "key": ["a"]}}
                if rng.random() < 0.8
                else {"equal_rows": parent.address}
                for parent in parents
            ]
            names = ["a*", "b", "c", *(f"column_{index}" for index in range(rng.randint(0, 9)))]
            contracts.append(make_contract(f"{dataset}.table_{number}", *names, checks=checks))
    return contracts


@pytest.fixture(params=["the project's tables", *SEEDS])
def diagram(request, make_contract):
    return layout(
        random_contracts(make_contract, request.param) if request.param in SEEDS else files.contracts(CATALOG)
    )


def frame(diagram, table):
    left = diagram.left(table.column)
    return left, table.top, left + diagram.table_width, table.bottom


def pieces(diagram, wire):
    """The wire's three pieces as left, top, right, bottom."""
    lane = diagram.lane(wire)
    start, _ = diagram.edge(wire.relation.parent, wire.gutter)
    end, _ = diagram.edge(wire.relation.child, wire.gutter)
    return (
        (min(start, lane), wire.start, max(start, lane), wire.start),
        (lane, min(wire.start, wire.end), lane, max(wire.start, wire.end)),
        (min(end, lane), wire.end, max(end, lane), wire.end),
    )


def touch(first, second, gap=0):
    return (
        first[0] <= second[2] + gap
        and second[0] <= first[2] + gap
        and first[1] <= second[3] + gap
        and second[1] <= first[3] + gap
    )


def test_tables_are_apart_and_inside_their_band(diagram):
    bands = {band.dataset: band for band in diagram.bands}
    for first, second in combinations(diagram.tables.values(), 2):
        assert not touch(frame(diagram, first), frame(diagram, second), ROW - 1)
    for table in diagram.tables.values():
        band = bands[table.contract.dataset]
        assert band.top < table.top < table.bottom < band.bottom
        assert frame(diagram, table)[2] <= diagram.width - PADDING
    for above, below in pairwise(diagram.bands):
        assert above.bottom < below.top
    assert diagram.bands[-1].bottom < diagram.height


def test_texts_fit_into_their_table(diagram):
    for table in diagram.tables.values():
        assert len(table.contract.address) * CHARACTER < diagram.table_width
        for column in table.contract.columns:
            assert MARKS + (len(column.name) + 1 + len(column.type)) * CHARACTER < diagram.table_width


def test_a_relation_crosses_no_table(diagram):
    for wire in diagram.wires:
        for piece in pieces(diagram, wire):
            for address, table in diagram.tables.items():
                ends = (wire.relation.parent, wire.relation.child)
                left, top, right, bottom = frame(diagram, table)
                inside = (left + 1, top + 1, right - 1, bottom - 1) if address in ends else (left, top, right, bottom)
                assert not touch(piece, inside), (wire, address)


def test_relations_of_different_keys_cross_but_never_run_along_each_other(diagram):
    for first, second in combinations(diagram.wires, 2):
        if first.relation.origin == second.relation.origin:
            continue
        for piece in pieces(diagram, first):
            for other in pieces(diagram, second):
                is_crossing = (piece[0] == piece[2]) != (other[0] == other[2])
                assert is_crossing or not touch(piece, other), (first, second)


def test_a_relation_ends_at_the_rows_of_its_columns(diagram):
    for wire in diagram.wires:
        for address, names, height in (
            (wire.relation.parent, wire.relation.keys, wire.start),
            (wire.relation.child, wire.relation.columns, wire.end),
        ):
            table = diagram.tables[address]
            rows = [column.name for column in table.contract.columns]
            row = rows[int((height - table.top) // ROW) - 1] if names else None
            assert row in names if names else table.top < height < table.top + ROW


def test_facts_stand_between_their_dimensions(make_contract):
    def reference(name):
        return {"references": {"columns": [name], "table": f"dwh.{name}", "key": ["id"]}}

    dimensions = [make_contract(f"dwh.{name}", "id*") for name in ("city", "day", "shop")]
    fact = make_contract(
        "dwh.sale", "city*", "day*", "shop*", checks=[reference(name) for name in ("city", "day", "shop")]
    )
    tables = layout([*dimensions, fact]).tables
    assert tables["dwh.sale"].column == 1
    assert {tables[dimension.address].column for dimension in dimensions} == {0, COLUMNS - 1}


def test_the_layout_does_not_depend_on_the_order_of_the_contracts(make_contract):
    contracts = random_contracts(make_contract, 1)
    expected = layout(contracts).tables
    shuffled = sorted(contracts, key=lambda contract: contract.address[::-1])
    shuffled.sort(key=lambda contract: ("staging", "dwh", "datamart").index(contract.dataset))
    assert {address: (table.column, table.top) for address, table in layout(shuffled).tables.items()} == {
        address: (table.column, table.top) for address, table in expected.items()
    }
