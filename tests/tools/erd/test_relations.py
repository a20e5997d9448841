"""Relations follow from references, checks and keys."""

import pytest

from erd.relations import Relation, is_required, key_marks, relations


def refers(table, *columns, key=("id",)):
    return {"references": {"columns": list(columns), "table": table, "key": list(key)}}


def test_a_reference_of_a_source_is_to_a_table_of_its_data_set(make_contract):
    references = [{"columns": ["customer"], "table": "customer", "key": ["id"]}]
    sale = make_contract("staging.sale", "id*", "customer", references=references)
    assert relations([sale]) == [
        Relation("staging.customer", "staging.sale", ("customer",), ("id",), many=True, optional=True)
    ]


@pytest.mark.parametrize(
    ("names", "checks", "many", "optional"),
    [
        (("id*", "customer"), [], True, True),
        (("customer*", "day*"), [], True, True),
        (("customer",), [], True, True),  # without a key
        (("customer*", "sales"), [], False, True),
        (("customer*", "sales"), [{"equal_rows": "dwh.customer"}], False, False),
    ],
)
def test_the_number_of_rows_follows_from_the_key_and_from_equal_rows(make_contract, names, checks, many, optional):
    contract = make_contract("dwh.sale", *names, checks=[refers("dwh.customer", "customer"), *checks])
    assert relations([contract]) == [Relation("dwh.customer", "dwh.sale", ("customer",), ("id",), many, optional)]


def test_equal_rows_alone_are_a_relation_without_columns(make_contract):
    contract = make_contract("datamart.sale", "id*", checks=[{"equal_rows": "dwh.sale"}])
    assert relations([contract]) == [Relation("dwh.sale", "datamart.sale", (), (), many=False, optional=False)]


def test_key_columns_are_marked_and_required(make_contract):
    contract = make_contract("dwh.sale", "id*", "customer*", "seller", "note", checks=[
        refers("dwh.customer", "customer"),
        refers("dwh.seller", "seller"),
    ])  # fmt: skip
    links = relations([contract])
    assert [key_marks(contract, column, links) for column in contract.columns] == [["PK"], ["PK", "FK"], ["FK"], []]
    assert [is_required(contract, column) for column in contract.columns] == [True, True, False, False]


def test_references_of_other_tables_do_not_mark_a_column(make_contract):
    other = make_contract("dwh.refund", "id*", "customer", checks=[refers("dwh.customer", "customer")])
    contract = make_contract("dwh.sale", "id*", "customer")
    assert key_marks(contract, contract.columns[1], relations([other, contract])) == []
