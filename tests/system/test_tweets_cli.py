"""`lumbung tweets` from an archive to the answers: through Airflow, with the broker that it starts."""

import json
import shutil
from collections.abc import Callable

import pytest

from support import x_server
from support.tweet_harness import tweet

Make = Callable[..., "Home"]  # noqa: F821 - tests/system/conftest.py
GIVEN = [
    tweet(1, "saham naik", "2026-11-21T12:00"),
    tweet(2, "sahamku dan sukuk", "2026-11-22T00:00"),
    tweet(2, "sahamku dan sukuk", "2026-11-22T00:00"),
]


@pytest.fixture(scope="module")
def home(make_home: Make, missing: Callable[[str], None]):
    if not (shutil.which("java") and shutil.which("mvn")):
        missing("Java and Maven")
    return make_home()


def test_a_run_before_any_tweet_is_skipped_not_failed(home) -> None:
    archive = home.folder.parent / "empty"
    archive.mkdir()
    (archive / "a.jsonl").write_text('{"delete": {"status": {"id": 1}}}\n')
    done = home.call("tweets", "run", "--day", "2026-11-23", "--source", "archive", "--path", str(archive))
    for task, state in (("version", "skipped"), ("publish", "skipped"), ("complete", "ok"), ("audit", "ok")):
        lines = [line for line in done.stdout.splitlines() if task in line.split()]
        assert lines and lines[0].startswith(state), f"{task}: {done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    assert "no tweets have been landed yet" in done.stdout
    assert "no tweets are published yet" in done.stderr
    assert done.returncode == 1


def test_a_run_prints_tasks_rows_and_marts_and_leaves_nothing_running(home) -> None:
    archive = home.folder.parent / "archive"
    archive.mkdir()
    (archive / "a.jsonl").write_text("".join(f"{json.dumps(post)}\n" for post in GIVEN) + "no JSON\n")
    printed = home.run("tweets", "run", "--day", "2026-11-23", "--source", "archive", "--path", str(archive))
    for task in ("collect", "ship", "land", "clean", "load", "build.datamart.tweet_total", "publish", "complete"):
        line = next(line for line in printed.splitlines() if task in line.split())
        assert line.startswith("ok"), line
    assert "1 files, 1 lines are not tweets" in printed
    assert "Tweets that name an instrument: 2" in printed
    assert home.processes() == []
    answers = json.loads(home.run("tweets", "answers", "--json"))
    assert list(answers) == [
        *("total_tweet", "total_by_instrument", "daily_by_instrument", "hourly_by_instrument"),
        "most_active_authors",
    ]
    assert answers["total_tweet"] == 2
    assert answers["total_by_instrument"] == {"reksadana": 0, "saham": 2, "sukuk": 1}
    assert answers["daily_by_instrument"][0] == {"date": "2026-11-21", "instrument": "saham", "tweets": 1}
    assert len(answers["hourly_by_instrument"]) == 72
    assert answers["most_active_authors"] == [{"rank": 1, "user_name": "sintetis_a", "tweets": 2}]
    report = json.loads(home.run("tweets", "status", "--json"))
    assert report["spool"] == {"files_to_ship": 0, "files_shipped": 3, "error_files": 2}
    assert report["kafka"]["lag"] == 0
    assert (report["lake"]["rows_read"], report["lake"]["tweets"], report["lake"]["rejected"]) == (5, 3, 2)
    rejected = home.query("SELECT line, raw FROM staging.rejected_row ORDER BY line")
    assert [(row["line"], row["raw"]) for row in rejected] == [
        (1, '{"delete": {"status": {"id": 1}}}'),
        (4, "no JSON"),
    ]


def test_a_backfill_rebuilds_days_from_the_lake_and_collects_nothing(home) -> None:
    before = home.json("tweets", "answers", "--json")
    printed = home.run("tweets", "backfill", "2026-11-20", "2026-11-22")
    assert "2 of 2 changed days cleaned" in printed
    assert "nothing is collected here" in printed
    assert home.json("tweets", "answers", "--json") == before
    assert "1 of 1 changed days cleaned" in home.run("tweets", "backfill", "2026-11-22", "2026-11-22")


def test_an_archive_of_which_nothing_can_be_read_is_a_red_run(home) -> None:
    archive = home.folder.parent / "archive.7z"
    archive.write_bytes(b"7z\xbc\xaf\x27\x1c" + bytes(60))
    for command in (["collect"], ["run", "--day", "2026-11-23"]):
        done = home.call("tweets", *command, "--source", "archive", "--path", str(archive))
        assert done.returncode == 1
        assert "nothing could be read of it: it is 7-Zip, which is not read here" in done.stderr


def test_tweets_of_x_come_through_the_dag_and_their_cost_is_reported(home) -> None:
    before = home.json("tweets", "answers", "--json")
    with x_server.running() as x:
        for ago in (30, 60, 90):
            x.post(ago)
        settings = {"LUMBUNG_X_URL": x.url, "LUMBUNG_X_BEARER_TOKEN": x_server.TOKEN}
        printed = home.run("tweets", "run", "--source", "x", **settings)
        assert "3" in next(line for line in printed.splitlines() if "collect" in line.split()).split()
        again = home.run("tweets", "run", "--source", "x", **settings)
        assert "0 of" in next(line for line in again.splitlines() if "version" in line.split())
        spent = json.loads(home.run("tweets", "status", "--json", **settings))["x"]
        assert x.mills / 1000 in spent.values()
    after = home.json("tweets", "answers", "--json")
    assert after["total_by_instrument"]["sukuk"] == before["total_by_instrument"]["sukuk"] + 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tweets", "run", "--source", "archive"], "an archive needs a path"),
        (["tweets", "collect", "--path", "."], "only an archive has one"),
        (["tweets", "run", "--day", "2999-01-01"], "has not begun"),
        (["tweets", "search", "saham"], "LUMBUNG_SEARCH"),
        (["tweets", "backfill", "2026-11-22", "2026-11-21"], "is after"),
        (["tweets", "backfill", "2026-11-22", "2999-01-01"], "has not begun"),
    ],
)
def test_what_cannot_be_done_is_refused_with_the_reason(home, arguments, message) -> None:
    refused = home.call(*arguments)
    assert refused.returncode == 1
    assert message in refused.stderr
