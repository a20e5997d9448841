"""What the report page says of contracts: per country, and what changed day by day."""

from dataclasses import replace
from datetime import timedelta

from lumbung.report import render
from lumbung.serving.contract_schema import ContractAnswers, ContractCount, EventCount
from lumbung.systems.contract_events.report import Contracts, section
from support.report_data import DAY, HOSTILE, contracts, empty

NOTHING = ContractAnswers([], {"INSERT": 0, "UPDATE": 0, "DELETE": 0}, [])


def page(answers: ContractAnswers) -> str:
    return render(replace(empty(), sections=[section(answers, "Contract events")]))


def test_every_day_between_two_with_events_is_drawn():
    drawn = Contracts(contracts("Indonesia"))
    days = [DAY - timedelta(days=2), DAY - timedelta(days=1), DAY]
    assert drawn.days == days
    assert drawn.daily == [
        ("INSERT", list(zip(days, (1500, 0, 3), strict=True))),
        ("UPDATE", list(zip(days, (0, 0, 31), strict=True))),
        ("DELETE", list(zip(days, (0, 0, 2), strict=True))),
    ]
    assert page(contracts("Indonesia")).count('class="line"') == 2 * 3


def test_both_languages_say_how_many_contracts_and_events_there_are():
    shown = page(contracts("Indonesia", "Singapura", "(unknown)"))
    assert "1.500 kontrak; terbanyak di <bdi>Indonesia</bdi> dan <bdi>Singapura</bdi>" in " ".join(shown.split())
    assert "1,500 contracts; most of all in <bdi>Indonesia</bdi> and <bdi>Singapura</bdi> (500 each)." in shown
    assert "6 contracts are held: source rows were rejected" in shown
    assert "1,536 events were sent, by operation:" in shown
    assert "no country given" in shown
    assert "(unknown)" not in shown


def test_relations_are_added_up_and_parties_are_not():
    shown = page(contracts("Indonesia", "Singapura"))
    assert '<td class="n">1,300</td><td class="n">–</td>' in shown
    assert "1,280" not in shown


def test_a_single_day_has_no_line_chart_and_an_open_table():
    answers = replace(contracts("Indonesia"), events_by_day=[EventCount(DAY, "INSERT", 3, 3, 1)])
    shown = page(answers)
    assert 'class="line"' not in shown
    assert "<details open>" in shown


def test_all_contracts_may_be_gone():
    gone = replace(NOTHING, events_by_operation={"INSERT": 1, "UPDATE": 0, "DELETE": 1})
    shown = page(replace(gone, events_by_day=[EventCount(DAY, "DELETE", 1, 1, 1)]))
    assert "There are no contracts." in shown
    assert "2 events were sent" in shown
    assert "No event has been sent yet." in page(NOTHING)


def test_where_no_contract_has_a_country_none_leads():
    drawn = Contracts(replace(NOTHING, contracts_by_country=[ContractCount("(unknown)", 1, 0, 1, 0, 0)]))
    assert drawn.leading_countries == []
    assert "1 contract." in page(drawn.answers)


def test_texts_of_the_data_are_shown_and_never_run():
    shown = page(contracts(*HOSTILE))
    for markup in ("<script>document", 'onerror="', 'onload="'):
        assert markup not in shown
