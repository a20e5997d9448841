"""The picture is one file of plain SVG, with texts escaped and ends by the number of rows."""

import subprocess
import sys
from xml.etree import ElementTree

from erd import files
from erd.layout import layout
from erd.svg import svg
from lumbung.catalog.contract import Catalog

SVG = "{http://www.w3.org/2000/svg}"


def lines(picture):
    """The relations' lines and ends."""
    return [[path.attrib for path in group] for group in ElementTree.fromstring(picture).iter(f"{SVG}g")]


def test_the_picture_needs_nothing_else():
    picture = ElementTree.fromstring(files.picture(Catalog()))
    assert picture.tag == f"{SVG}svg"
    assert {element.tag.removeprefix(SVG) for element in picture.iter()} == {
        "svg",
        "title",
        "rect",
        "text",
        "path",
        "g",
    }
    assert not any("href" in name for element in picture.iter() for name in element.attrib)


def test_a_type_with_brackets_is_shown():
    assert ">ARRAY&lt;STRING&gt;<" in files.picture(Catalog())


def test_columns_that_are_never_null_are_bold(make_contract):
    picture = ElementTree.fromstring(svg(layout([make_contract("dwh.sale", "id*", "note")])))
    weights = {text.text: text.get("font-weight") for text in picture.iter(f"{SVG}text")}
    assert weights["id"] == "bold"
    assert weights["note"] is None


def test_ends_and_dashes_show_the_kind_of_a_relation(make_contract):
    def picture(*names, **check):
        contracts = [make_contract("dwh.shop", "id*"), make_contract("dwh.sale", *names, checks=[check])]
        ((line, ends),) = lines(svg(layout(contracts)))
        return "stroke-dasharray" in line, ends["d"].count("L"), ends["d"].count("v")

    reference = {"columns": ["shop"], "table": "dwh.shop", "key": ["id"]}
    assert picture("id*", "shop", references=reference) == (False, 2, 1)  # a foot and a bar
    assert picture("shop*", references=reference) == (False, 0, 2)
    assert picture("id*", equal_rows="dwh.shop") == (True, 0, 2)


def test_relations_of_one_key_share_a_line(make_contract):
    reference = {"references": {"columns": ["shop"], "table": "dwh.shop", "key": ["id"]}}
    children = [make_contract(f"dwh.{name}", "id*", "shop", checks=[reference]) for name in ("sale", "refund")]
    # In one gutter, as the shop is in the first column.
    assert len(lines(svg(layout([make_contract("dwh.shop", "id*"), *children])))) == 1


def test_another_process_draws_the_same():
    program = (
        "from erd import files; from lumbung.catalog.contract import Catalog; print(files.picture(Catalog()), end='')"
    )
    path = str(files.DOCS.parent / "tools")
    printed = [
        subprocess.check_output([sys.executable, "-c", program], env={"PYTHONPATH": path, "PYTHONHASHSEED": seed})
        for seed in ("1", "2")
    ]
    assert printed[0] == printed[1] == files.picture(Catalog()).encode()
