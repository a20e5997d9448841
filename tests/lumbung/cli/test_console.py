"""What is printed for people: where tweets are, by what is known of it; contracts and their events."""

from datetime import UTC, datetime, timedelta

import pytest

from lumbung.cli import console
from lumbung.serving.schema import (
    DailyCount,
    EnrollmentAnswers,
    KafkaStatus,
    LakeStatus,
    Publication,
    Result,
    SpoolStatus,
    TweetAnswers,
    TweetStatus,
    XStatus,
)
from support.report_data import contracts

NIGHT = datetime(2026, 11, 21, 17, 31, tzinfo=UTC)
NOTHING = TweetStatus(
    SpoolStatus(0, 0, 0), KafkaStatus(None, "t"), LakeStatus(), [], XStatus(False, "2026-11", 0.0, 5.0, None, True)
)
ALL = TweetStatus(
    SpoolStatus(3, 1, 2),
    KafkaStatus("kafka:9092", "t", lag=1234),
    LakeStatus(5, 4, 1, 2, NIGHT, 7),
    [Publication("manual", 7, NIGHT)],
    XStatus(True, "2026-11", 1.25, 5.0, 99, False),
)


@pytest.fixture
def lines(capsys):
    """The lines that showing a result prints, with single spaces."""

    def shown(result, **options):
        console.show(result, **options)
        return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]

    return shown


def test_a_status_before_any_run(lines):
    printed = lines(NOTHING)
    for line in (
        "kafka address none yet; the first run starts one, or set LUMBUNG_KAFKA",
        "lake tweets 0",
        "warehouse published nothing yet",
        "x token not set",
        "x search complete",
    ):
        assert line in printed
    assert len([line for line in printed if line.startswith("lake")]) == 1


def test_a_status_with_all_parts(lines):
    printed = lines(ALL)
    for line in (
        "spool files to ship 3",
        "kafka lag (offsets not landed) 1,234",
        "lake read from Kafka 5",
        "lake last landed 2026-11-21T17:31:00+00:00",
        "warehouse published in run manual version 7, 2026-11-21T17:31:00+00:00",
        "x US$ spent in 2026-11 1.25",
        "x collected up to 99",
        "x search cut short; the next one goes on",
    ):
        assert line in printed


def test_a_kafka_that_does_not_answer_has_an_unknown_lag(lines):
    down = TweetStatus(**{**vars(ALL), "kafka": KafkaStatus("kafka:9092", "t", problem="no broker answers")})
    assert "kafka lag unknown: no broker answers" in lines(down)


def test_a_result_without_a_table_is_refused():
    with pytest.raises(TypeError, match="Result has no table"):
        console.show(Result())


def test_answers_about_contracts_are_by_country_and_by_day_with_all_days_last(lines):
    printed = lines(contracts("Indonesia", "(unknown)"))
    for line in (
        "Indonesia 500 2 7 650 640",
        "(unknown) 500 2 7 650 640",
        "day INSERT UPDATE DELETE",
        "2026-11-19 1,500 0 0",
        "2026-11-21 3 31 2",
        "all days 1,503 31 2",
    ):
        assert line in printed


def test_people_see_20_rows_of_a_table_and_how_many_more_there_are(lines):
    cities = {f"Kota {number}": 1 for number in range(1, 10_001)}
    answers = EnrollmentAnswers(NIGHT.date(), cities, {"data": 1}, {"data": 1}, {}, [], [])
    printed = lines(answers)
    assert [line for line in printed if line.startswith("Kota")] == [f"Kota {number} 1" for number in range(1, 21)]
    assert printed[printed.index("Kota 20 1") + 1] == "… and 9,980 more rows: answers --all"
    assert len([line for line in lines(answers, all_rows=True) if line.startswith("Kota")]) == 10_000
    assert len(answers.to_json()["students_per_city"]) == 10_000


def test_of_a_table_by_day_people_see_the_last_days(lines):
    first = NIGHT.date()
    days = [DailyCount(first + timedelta(days=number), "saham", number) for number in range(30)]
    printed = lines(TweetAnswers(1, {"saham": 1}, days, [], []))
    assert f"{first + timedelta(days=9)} 9" not in printed
    assert printed[printed.index(f"{first + timedelta(days=29)} 29") + 1] == "… and 10 earlier rows: answers --all"
    assert f"{first + timedelta(days=10)} 10" in printed
