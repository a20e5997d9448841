"""Drawings of lineage: every line joins two columns that are drawn, and no box lies on another."""

import re

import pytest

from lumbung.catalog.contract import Catalog
from lumbung.catalogue import drawing

NUMBER = r"(-?[\d.]+)"


def drawn(entries, address):
    return str(drawing.lineage(entries, address, lambda table, column: f"{table}#{column}"))


@pytest.mark.parametrize("address", Catalog().contracts)
def test_boxes_are_apart_and_lines_end_at_them(contracts_only, address):
    svg = drawn(contracts_only, address)
    width, height = map(int, re.search(r'width="(\d+)" height="(\d+)"', svg).groups())
    boxes = [
        tuple(map(float, found))
        for found in re.findall(rf'class="box" x="{NUMBER}" y="{NUMBER}" width="{NUMBER}" height="{NUMBER}"', svg)
    ]
    assert boxes
    for number, (x, y, wide, high) in enumerate(boxes):
        assert x >= 0 and y >= 0 and x + wide <= width and y + high <= height + 1
        for other_x, other_y, other_wide, other_high in boxes[:number]:
            assert x + wide <= other_x or other_x + other_wide <= x or y + high <= other_y or other_y + other_high <= y
    columns = set(re.findall(r'data-column="([^"]+)"', svg))
    lines = re.findall(
        rf'<path class="(\w+)" d="M{NUMBER} {NUMBER}C.*? {NUMBER} {NUMBER}" data-ends="(.+?) (.+?)"', svg
    )
    assert len(lines) == svg.count("<path")
    for kind, x1, _, x2, _, *ends in lines:
        assert float(x1) in {x + wide for x, _, wide, _ in boxes}
        assert float(x2) in {x for x, *_ in boxes}
        assert (kind == "value") == all(end in columns for end in ends)
    lineage = contracts_only.tables[address].lineage
    made = sum(len(column.origins.columns) + (column.field is not None) for column in lineage.columns.values())
    read = sum(len(contracts_only.made_of(address, column)) for column in lineage.columns)
    assert sum(kind == "value" for kind, *_ in lines) == made + read


def test_rows_that_are_counted_or_chosen_are_dashed(contracts_only):
    svg = drawn(contracts_only, "datamart.student_count_by_city")
    assert 'data-ends="dwh.dim_student. datamart.student_count_by_city.student_count"' in svg
    assert 'data-ends="dwh.fact_course_enrollment. datamart.student_count_by_city."' in svg


def test_a_source_is_no_link(contracts_only):
    svg = drawn(contracts_only, "staging.student")
    assert "student.json" in svg
    assert "#phone_number" in svg
    assert 'href="student.json' not in svg
