"""What is written to the two files."""

from erd import files
from lumbung.catalog.contract import Catalog


def test_data_sets_are_in_the_order_that_data_flows():
    datasets = list(dict.fromkeys(contract.dataset for contract in files.contracts(Catalog())))
    assert datasets == ["staging", "dwh", "datamart", "ops"]


def test_only_the_diagram_of_the_page_is_replaced():
    marker = "<!-- diagram of: pinter_skuy -->"
    before = f"# Tables\n\n{marker}\n\n```mermaid\nflowchart LR\n```\n\n```mermaid\nerDiagram\n    \\1\n```\n\nMore.\n"
    after = files.page(before, Catalog())
    head, _, rest = after.partition("```mermaid\nerDiagram\n")
    assert head == f"# Tables\n\n{marker}\n\n```mermaid\nflowchart LR\n```\n\n"
    assert rest.endswith("\n```\n\nMore.\n")
    assert "\\1" not in after
    assert '"dwh.dim_student" {' in after
    assert "staging." not in after
    assert "dwh.fact_tweet" not in after, "of a system that the page does not name"
    assert files.page(after, Catalog()) == after
