"""The diagram as text."""

from erd.mermaid import mermaid


def test_the_diagram_has_columns_keys_and_relations(make_contract):
    reference = {"references": {"columns": ["customer"], "table": "dwh.customer", "key": ["id"]}}
    contracts = [
        make_contract("dwh.customer", "id*", "city"),
        make_contract("dwh.sale", "id*", "customer", checks=[reference]),
        make_contract("dwh.debt", "customer*", checks=[reference]),
        make_contract("dwh.total", "customer*", checks=[reference, {"equal_rows": "dwh.customer"}]),
        make_contract("datamart.sale", "id*", checks=[{"equal_rows": "dwh.sale"}]),
    ]
    assert (
        mermaid(contracts)
        == """\
erDiagram
    direction LR
    "dwh.customer" {
        STRING id PK "not null"
        STRING city "null"
    }
    "dwh.sale" {
        STRING id PK "not null"
        STRING customer FK "null"
    }
    "dwh.debt" {
        STRING customer PK,FK "not null"
    }
    "dwh.total" {
        STRING customer PK,FK "not null"
    }
    "datamart.sale" {
        STRING id PK "not null"
    }
    "dwh.customer" ||--o{ "dwh.sale" : "customer"
    "dwh.customer" ||--o| "dwh.debt" : "customer"
    "dwh.customer" ||--|| "dwh.total" : "customer"
    "dwh.sale" ||..|| "datamart.sale" : "equal rows"
"""
    )
