"""The report page as text: what it says, and that data never become markup."""

import json
import re
from collections import Counter
from dataclasses import replace
from datetime import date, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import pytest

from lumbung.core.errors import LumbungError, SettingError
from lumbung.report import charts, render, rows
from lumbung.report.data import ReportData
from lumbung.report.language import Language, shown
from lumbung.serving.schema import Accounting, CategoryCount, RejectedRow, TopMentor, TweetAnswers
from support.report_data import (
    DAY,
    HOSTILE,
    LOOKER,
    NIGHT,
    big,
    clean,
    contracts,
    empty,
    hostile,
    with_contracts,
    with_courses,
    with_tweets,
)

VOID = {"meta", "link", "input"}


class Page(HTMLParser):
    """A page's elements, attributes and what each language says."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.open: list[str] = []
        self.tables: dict[str, Any] = {}
        self.texts = {"id": "", "en": ""}
        self.language = ""
        self.feed(html)
        self.close()
        self.texts = {code: re.sub(r"\s+", " ", text) for code, text in self.texts.items()}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "wbr":  # where a name has a sign
            return
        self.elements[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag == "article":
            self.language = dict(attrs)["lang"] or ""
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes something else"
        if tag == "article":
            self.language = ""

    def handle_data(self, data: str) -> None:
        if self.open[-1:] == ["script"] and data.startswith("{"):
            self.tables = json.loads(data)
        if self.language:
            self.texts[self.language] += data


def texts(data: ReportData) -> dict[str, str]:
    return Page(render(data)).texts


def attributes(page: Page) -> Counter[tuple[str, str, str]]:
    """All but titles: a long name has one, and the tame names are shorter."""
    return Counter((tag, name, value) for tag, name, value in page.attributes if name != "title")


def tame(text: str) -> str:
    """A harmless text for a hostile one: as long, blank where that is blank."""
    return "".join(c if c.isspace() else "W" for c in text)


def test_hostile_values_add_no_element_and_no_attribute() -> None:
    bad = hostile()
    names = {text: str(n) + tame(text) if text.strip() else text for n, text in enumerate(HOSTILE)}

    def clean_row(row: tuple[object, ...]) -> tuple[object, ...]:
        return tuple(names.get(value, value) if isinstance(value, str) else value for value in row)

    courses = bad.sections[0].data
    good = replace(
        with_courses(
            with_contracts(bad, contracts(*(names[text] for text in HOSTILE))),
            students_per_city=[clean_row(row) for row in courses.students_per_city],
            category_counts=[
                replace(c, category_id=names[c.category_id], name=names[c.name]) for c in courses.category_counts
            ],
            top_mentors=[
                replace(m, mentor_id=names[m.mentor_id], mentor_name=names[m.mentor_name]) for m in courses.top_mentors
            ],
            enrollments_per_mentor=[clean_row(row) for row in courses.enrollments_per_mentor],
            enrollments_per_day=[clean_row(row) for row in courses.enrollments_per_day],
            students_per_day=[clean_row(row) for row in courses.students_per_day],
            mentors_per_day=[clean_row(row) for row in courses.mentors_per_day],
            branches_per_city=[replace(row, city=names[row.city]) for row in courses.branches_per_city],
        ),
        project="harmless",
        freshness=[replace(f, system=names[f.system], state=names.get(f.state, f.state)) for f in bad.freshness],
        accounting=[replace(a, source=names[a.source], note=names[a.note]) for a in bad.accounting],
        rejects=[
            RejectedRow(names[r.source], r.line, tame(r.raw) and "1" + tame(r.raw), names[r.reason])
            for r in bad.rejects
        ],
    )
    page, expected = Page(render(bad)), Page(render(good))
    assert page.elements == expected.elements
    # The order of rows follows the names, so the drawn numbers are compared as a bag.
    assert attributes(page) == attributes(expected)
    assert not page.open
    assert page.elements["script"] == 2, "the tables as JSON, and the page's own script"
    assert not {"img", "iframe", "object", "embed"} & set(page.elements)
    for text in ("<script>document.title = 'ran'</script>", "{{ 7 * 7 }} {x} %s"):
        assert text in page.texts["id"]


def test_unseen_characters_are_spelled_out() -> None:
    html = render(hostile())
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00\ud800-\udfff]", html)
    html.encode("utf-8")
    assert r"Abu \u202eevil\u2066 \ud800 \x00" in html
    assert shown("Na\u200dma مرحبا é\tx") == "Na\u200dma مرحبا é\\tx"


@pytest.mark.parametrize("make", [empty, clean, hostile])
def test_page_loads_nothing(make: type) -> None:
    html = render(make())
    page = Page(html)
    links = {
        value for tag, name, value in page.attributes if name in {"src", "href", "srcset", "action", "data", "poster"}
    }
    assert links <= {LOOKER, "data:,", "#rows-id", "#rows-en"}
    assert not [name for _, name, _ in page.attributes if name.startswith("on") or name == "style"]
    style = html[html.index("<style>") : html.index("</style>")]
    assert "@import" not in style
    assert "url(" not in style
    policies = [value for _, name, value in page.attributes if name == "content" and "-src" in value]
    assert [re.sub("sha256-[^']*", "hash", policy) for policy in policies] == [
        "default-src 'none'; script-src 'hash'; style-src 'hash'; img-src data:; base-uri 'none'; form-action 'none'"
    ]
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))


def test_both_languages_answer_the_three_questions() -> None:
    page = Page(render(clean()))
    assert ("html", "lang", "id") in page.attributes
    indonesian, english = page.texts["id"], page.texts["en"]
    assert (
        "2.402 siswa mengambil minimal satu kursus; terbanyak di Bandung dan Jakarta Selatan (masing-masing 1.200)."
        in indonesian
    )
    assert "Asal: 3 kota. 1 siswa tidak mengisi kota." in indonesian
    assert (
        "2,402 students took at least one course; most of all in Bandung and Jakarta Selatan (1,200 each)." in english
    )
    assert "They come from 3 cities. 1 student has no city on record." in english
    assert "Siswa terbanyak ada di data: 31 siswa." in indonesian
    assert "The most students are in data: 31." in english
    assert "Aurélie dan Wira (masing-masing 20 pendaftaran), lalu Sekar dan Sekar (masing-masing 17)." in indonesian
    assert "Aurélie and Wira (20 enrollments each), then Sekar and Sekar (17 each)." in english
    assert "Ranks 1 to 3 are held by 4 mentors" in english
    assert "Keadaan pada 21 November 2026" in indonesian
    assert "22 November 2026, 00:31 WIB, from the BigQuery project pinter-skuy-prod" in english
    assert "All 72 source rows were loaded, none rejected" in english
    assert "siswa" not in english
    assert "students" not in indonesian


def test_many_ties_are_counted_in_the_sentence_and_listed_below() -> None:
    ties = [TopMentor(1, f"id-{n}", f"Mentor {n}", 7) for n in range(30)]
    page = Page(render(with_courses(clean(), top_mentors=ties)))
    assert "30 mentors (7 enrollments each)." in page.texts["en"]
    assert "… and 10 more mentors." in page.texts["en"]
    assert {row[3] for row in page.tables["pinter_skuy-top-mentor"]["rows"]} == {f"id-{n}" for n in range(30)}


def test_mentors_of_the_same_name_are_distinguished_in_the_chart() -> None:
    html = render(clean())
    assert '<small class="id">11111111</small>' in html
    assert '<small class="id">22222222</small>' in html
    assert '<small class="id">B-1' not in html


def test_chart_and_table_show_the_20_largest_cities_and_the_data_have_all():
    html = render(with_courses(clean(), students_per_city=[(f"Kota {n}", n) for n in range(1, 201)]))
    section = html[html.index('id="city-en"') : html.index('id="category-en"')]
    chart, rest = section.split("</ul>", 1)
    assert chart.count("<svg") == 20
    assert "Kota 200<" in chart
    assert "Kota 180<" not in chart
    assert "… and 180 more cities." in section
    assert rest.split("<details")[1].count("<tr>") == 22  # head, 20 cities, total
    assert "and 180 more: <code>lumbung query --csv" in rest
    assert len(Page(html).tables["pinter_skuy-city"]["rows"]) == 200


def test_a_cut_among_equal_counts_is_said_and_how_counts_are_spread():
    counts = [5] * 15 + [3] * 20 + [1] * 4
    page = texts(with_courses(clean(), students_per_city=[(f"Kota {n}", count) for n, count in enumerate(counts)]))
    assert "… and 19 more cities, 15 of them with as many as the last one above." in page["en"]
    assert "… dan 19 kota lagi, 15 di antaranya sama banyaknya dengan yang terakhir di atas." in page["id"]
    assert "How they are spread 1 student4 cities 2 students0 cities 3–5 students35 cities" in page["en"]


@pytest.mark.parametrize("live", [True, False])
def test_rejected_rows_are_shown_without_their_content_to_whom_it_is_not_given(live):
    data = replace(clean(), rejects=[RejectedRow("student.json", 3, "the row of a person", "key column id is null")])
    assert "the row of a person" in render(data, live=live)
    html = render(data.without_raw_rows(), live=live)
    assert "the row of a person" not in html
    assert "key column id is null" in html


def test_a_live_page_has_no_inline_script_or_style():
    html = render(clean(), live=True)
    assert "<style" not in html
    assert "style=" not in html
    assert re.findall("<script[^>]*>", html) == [
        '<script src="static/page.js" defer>',
        '<script type="application/json" id="tables">',
    ]
    assert "Content-Security-Policy" not in html, "its server sends it"


@pytest.mark.parametrize("live", [False, True])
def test_a_page_of_10_000_cities_and_mentors_is_at_most_300_kb(live: bool) -> None:
    assert len(render(big(), live=live).encode()) <= 300_000


def test_rows_of_a_table_are_given_in_pages():
    data = with_courses(clean(), students_per_city=[(f"Kota {n}", 200 - n) for n in range(200)])
    page = rows(data, "pinter_skuy-city", offset=190, limit=50)
    assert (page["total"], page["kinds"]) == (200, ["name", "number"])
    assert page["rows"] == [[f"Kota {n}", 200 - n] for n in range(190, 200)]
    with pytest.raises(LumbungError, match="no table 'rejects'"):
        rows(data, "rejects")


def test_no_rows_say_so() -> None:
    page = texts(empty())
    for text in (
        "Belum ada siswa yang mengambil kursus.",
        "Belum ada kategori yang punya siswa.",
        "belum ada mentor teratas",
        "Belum ada hari yang tercatat.",
        "Belum ada yang diterbitkan.",
        "Belum ada sumber yang dibaca.",
    ):
        assert text in page["id"]
    assert "No student has taken a course yet." in page["en"]
    assert "from the local BigQuery server" in page["en"]
    assert "Looker" not in page["en"]


def test_categories_without_students() -> None:
    nobody = with_courses(clean(), category_counts=[CategoryCount("k", "foto", 0, 0)])
    assert "No category has students yet." in texts(nobody)["en"]


def test_row_accounting_shows_rejects_and_what_does_not_add_up() -> None:
    rejects = [RejectedRow("mentor.csv", 3, "a,b", "2 columns, not 3")]
    rows = [Accounting("mentor.csv", DAY, 12, 11, 1, "taken late")]
    page = texts(replace(clean(), accounting=rows, rejects=rejects))["en"]
    assert "1 of 12 source rows were rejected" in page
    assert "2 columns, not 3" in page
    assert "taken late" in page
    assert "add up" not in page.replace("to be added up", "")
    lost = texts(replace(clean(), accounting=[Accounting("mentor.csv", DAY, 12, 11, 0)]))["en"]
    assert "Row counts do not add up" in lost
    assert "were loaded, none rejected" not in lost


def test_rejects_are_cut_at_100_rows_and_500_characters() -> None:
    data = replace(clean(), rejects=[RejectedRow("s", n, f"row-{n};" + "y" * 600, "why") for n in range(1, 251)])
    page = Page(render(data))
    assert "250 rows rejected; the first 100 are below." in page.texts["en"]
    assert "row-20;" in page.texts["en"]
    assert "row-21;" not in page.texts["en"]
    assert [row[1] for row in page.tables["rejects"]["rows"]] == [*range(1, 101)]
    assert f"row-1;{'y' * 494} 606" in spaced(data)["en"]
    more = replace(data, accounting=[Accounting("s", DAY, 90_000, 87_000, 3000)])
    assert "3,000 rows rejected; the first 100 are below." in texts(more)["en"]


def test_provisional_data_are_announced() -> None:
    data = clean()
    page = texts(replace(data, freshness=[replace(data.freshness[0], state="provisional")]))
    assert "pinter-skuy data are provisional: taken before the day was over" in page["en"]
    assert "sementara" in page["id"]


def test_line_charts_begin_with_the_second_day() -> None:
    data = clean()
    assert 'class="line"' in render(data)
    one = [(DAY, "data", 46)]
    page = render(
        with_tweets(with_courses(data, enrollments_per_day=one, students_per_day=one, mentors_per_day=one), None)
    )
    assert 'class="line"' not in page
    assert "One day so far" in Page(page).texts["en"]


def test_line_runs_from_the_first_day_to_the_last() -> None:
    days = (date(2026, 11, 1), date(2026, 11, 5))
    svg = charts.line([(days[0], 0), (days[0] + timedelta(days=1), 10), (days[1], 5)], days, 10)
    assert "M0 100L75 0L300 50" in svg
    assert 'class="dot" d="M300 50h0"' in svg
    assert "M0 100" in charts.line([(days[0], 0)], days, 0)


@pytest.mark.parametrize(
    ("value", "most", "width"), [(5, 10, "50.0%"), (10, 10, "100.0%"), (0, 10, "0.0%"), (0, 0, "0%")]
)
def test_bar_is_in_proportion(value: int, most: int, width: str) -> None:
    assert f'width="{width}"' in charts.bar(value, most, "first")


@pytest.mark.parametrize("address", ["javascript:alert(1)", "http://example.com/", "https://", "//example.com", ""])
def test_looker_link_must_be_https(address: str) -> None:
    with pytest.raises(SettingError, match="not an https address"):
        render(replace(clean(), looker_url=address))


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(LumbungError, match="without a zone"):
        render(replace(clean(), generated_at=datetime(2026, 11, 21)))  # noqa: DTZ001


def test_numbers_and_dates_by_language() -> None:
    indonesian, english = Language("id"), Language("en")
    assert (indonesian.number(1234567), english.number(1234567)) == ("1.234.567", "1,234,567")
    assert (indonesian.day(date(2026, 8, 7)), english.day(date(2026, 8, 7))) == ("7 Agustus 2026", "7 August 2026")
    assert english.moment(NIGHT) == "22 November 2026, 00:31 WIB"
    assert english.count(1, "kota", "city", "cities") == "1 city"
    assert indonesian.count(2, "kota", "city", "cities") == "2 kota"


def test_demand_is_shown_where_tweets_are_published():
    page = texts(clean())
    assert "1.532 cuitan menyebut minimal satu instrumen; terbanyak saham (1.531)." in page["id"]
    assert "1,532 tweets name at least one instrument; most of all saham (1,531)." in page["en"]
    assert "21 November 2026 31 0 0 20 November 2026 0 0 0 19 November 2026 1,500 2 0" in spaced(clean())["en"]
    assert "1 sintetis_a 17 1 sintetis_b 17" in spaced(clean())["id"]
    assert "Cilvest" not in texts(with_tweets(clean(), None))["id"]


def test_tweets_that_name_nothing_are_said_to_name_nothing():
    nothing = TweetAnswers(0, {"reksadana": 0, "saham": 0, "sukuk": 0}, [], [], [])
    assert "No tweet has named an instrument yet." in texts(with_tweets(clean(), nothing))["en"]


def spaced(data: ReportData) -> dict[str, str]:
    """What is said, with a space between the cells of a row."""
    return Page(re.sub(r"(</t[hd]>|</span>)", r" \1", render(data))).texts


def test_a_chart_may_cut_a_long_name_which_is_its_title() -> None:
    name = '"Kota" ' * 40
    page = render(with_courses(clean(), students_per_city=[(name, 3), ("Bandung", 2)]))
    assert f'<bdi title="{name.replace('"', "&#34;")}">' in page
    assert "<bdi>Bandung</bdi>" in page
