"""The text of the catalogue's pages."""

import re
from dataclasses import replace

import pytest

from lumbung.catalogue import entries, pages
from lumbung.core.errors import LumbungError
from lumbung.report.language import wrapped

HOSTILE = '<script>document.title = "ran"</script> {{ 7 * 7 }} \u202eevil "><img src=x onerror=x()>'


def links(page):
    return set(re.findall(r'href="([^"]+)"', page))


def test_a_page_links_to_every_table_that_it_names(contracts_only):
    page = pages.table(contracts_only, "dwh.fact_course")
    assert {
        "index.html",
        "staging.course.html",
        "staging.course.html#title",
        "staging.course_enrollment.html#student_id",
        "datamart.course_enrollment_summary.html#course_title",
        "odcs/dwh.fact_course.odcs.yaml",
    } <= links(page)


@pytest.mark.parametrize("live", [False, True])
def test_all_links_lead_to_pages_that_are_there(contracts_only, live):
    """Live, the list is at `catalogue`, and a table at `catalogue/<address>`."""
    suffix = "" if live else ".html"
    for name, page in {
        "": pages.index(contracts_only, live=live),
        **{address: pages.table(contracts_only, address, live=live) for address in contracts_only.tables},
    }.items():
        for link in links(page) - {"data:,"}:
            path, _, anchor = link.partition("#")
            path = path.removeprefix("../" if name else "catalogue/")
            if path in ("index.html", "catalogue") or path.startswith(("odcs/", "static/")):
                continue
            address = path.removesuffix(suffix) if path else name
            assert address in contracts_only.tables, (name, link)
            columns = {column.name for column in contracts_only.tables[address].contract.columns}
            assert not anchor or anchor in columns, (name, link)


def test_hostile_texts_stay_texts(contracts_only):
    table = contracts_only.tables["staging.tweet"]
    (first, *others) = table.contract.columns
    contract = table.contract.model_copy(
        update={
            "description": HOSTILE,
            "grain": HOSTILE,
            "columns": [first.model_copy(update={"description": HOSTILE}), *others],
        }
    )
    hostile = replace(
        contracts_only,
        tables={**contracts_only.tables, "staging.tweet": replace(table, contract=contract, sql=HOSTILE)},
        absent=HOSTILE,
    )
    for page in (pages.index(hostile), pages.table(hostile, "staging.tweet")):
        assert "document.title" in page
        assert page.count("<script>") == 1  # our own
        assert "<img" not in page
        assert " 49 " not in page
        assert "\u202eevil" not in page


def test_a_file_says_what_figures_are_absent(contracts_only, with_runs):
    assert "no warehouse was asked" in pages.index(contracts_only)
    assert "no warehouse was asked" not in pages.index(with_runs)
    page = pages.table(with_runs, "dwh.dim_student")
    assert "1,234 violations" in page
    assert "1.234 pelanggaran" in page


def test_figures_have_the_day_of_the_run_that_they_are_of(with_runs):
    """The newest run failed before it counted rows; in the latter case before it checked any, too."""
    student = with_runs.tables["dwh.dim_student"]
    away = replace(student.last, note="failed: the warehouse is away", checks={}, run_id="away")
    runs = [away, *student.runs[1:]]
    unchecked = replace(student, runs=runs, checks=entries.results(student.contract, runs))
    for table, checked in ((student, student.runs[0]), (unchecked, student.runs[1])):
        shown = replace(with_runs, tables={**with_runs.tables, table.address: table})
        page, index = pages.table(shown, table.address), pages.index(shown)
        assert f"</b> · {pages.day(student.runs[1].day)}</li>" in page
        (figures,) = re.findall(rf'<li data-table="{re.escape(table.address)}">.*?<ul', index, re.DOTALL)
        assert f'<span class="when">{pages.day(student.runs[1].day)}</span>' in figures
        assert f'{pages.day(checked.day)}, <bdi class="id">{wrapped(checked.run_id)}</bdi>.' in page
        assert "not checked yet" not in page
        assert ("not known" in page) == (table is student)


def test_both_languages_stand_side_by_side():
    assert pages.say("hari", "day") == (
        '<span lang="id" data-language="id">hari</span><span lang="en" data-language="en">day</span>'
    )
    assert pages.number(12) == "12"
    assert "1.234" in pages.number(1234)


def test_names_are_cut_between_words_only():
    assert wrapped("dwh.dim_student <b>") == "dwh.<wbr>dim_<wbr>student &lt;b&gt;"
    assert wrapped("campus.xlsx!Cabang") == "campus.xlsx<wbr>!Cabang"


def test_a_table_that_is_not_there(contracts_only):
    with pytest.raises(LumbungError, match=r"no table 'dwh\.none'"):
        pages.table(contracts_only, "dwh.none")
