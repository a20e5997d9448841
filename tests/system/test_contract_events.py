"""`make run-contracts` as a person starts it, and the commands of contract events after it."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DAY, NEXT, LAST = "2026-11-23", "2026-11-24", "2026-11-25"
COUNT = "SELECT SUM(event_count) AS n FROM datamart.contract_event_daily"


@pytest.fixture(scope="module")
def ran(make_home, kafka):
    """A home after `make run-contracts` of a past day, and what that printed; the broker is that of the tests."""
    home = make_home()
    home.environ = {"LUMBUNG_KAFKA": kafka.address, "LUMBUNG_CONTRACT_EVENTS_TOPIC": f"c{os.urandom(6).hex()}"}
    # The environments are there; installing them is tested elsewhere.
    done = subprocess.run(
        ["make", "--no-print-directory", "--old-file=install", "run-contracts", f"DAY={DAY}"],
        cwd=ROOT, env=home.env(), capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return home, done.stdout


@pytest.fixture(scope="module")
def later(ran, tmp_path_factory):
    """Synthetic sources of the two days after: folders."""
    home, _ = ran
    folders = []
    for step in (1, 2):
        folder = tmp_path_factory.mktemp("sources") / f"step {step}"
        home.run("contract-events", "generate", str(folder), "--contracts", "60", "--step", str(step))
        folders.append(folder)
    return folders


def tasks(printed: str) -> dict[str, str]:
    """The lines of a run's tasks, by task."""
    return {match[1]: line for line in printed.splitlines() if (match := re.match(r"\S+ +(\S+)", line))}


def sent(printed: str) -> dict[str, int]:
    """The table of events that a command has sent."""
    table = printed.partition("Events sent by this command")[2]
    return {name: int(count) for name, count in re.findall(r"^([A-Z]+) +(\d+)$", table, re.MULTILINE)}


def test_a_run_ends_with_the_events_by_operation_and_three_messages(ran):
    home, printed = ran
    assert {"snapshot", "events", "version", "send", "publish", "contract_event_run"} <= tasks(printed).keys()
    assert re.search(r"^accounts.csv +2026-11-23 +60 +60 +0$", printed, re.MULTILINE)
    assert sent(printed) == {"INSERT": 54, "UPDATE": 0, "DELETE": 0, "TOMBSTONE": 0}
    messages = [json.loads(line) for line in printed.rstrip().splitlines()[-3:]]
    assert all(list(message) == ["eventHeader", "keys", "payload"] for message in messages)
    assert home.processes() == []


def test_the_topic_has_what_the_lake_has_and_a_contract_its_history(ran):
    home, _ = ran
    messages = home.json("contract-events", "messages", "--json")
    assert len(messages) == 54
    assert set(messages[0]) == {"key", "value", "partition", "offset"}
    verified = json.loads(home.run("contract-events", "verify", "--json"))
    assert verified == {"messages": 54, "counts": {}, "differences": []}
    assert len(home.run("contract-events", "messages").splitlines()) == 54
    key = messages[0]["key"]
    history = home.json("contract-events", "show", key, "--json")
    assert [event["value"] for event in history["events"]] == [messages[0]["value"]]
    assert history["contract"]["contract_id"] == key
    assert f"Events of {key}" in home.run("contract-events", "show", key)
    unknown = home.call("contract-events", "show", "nobody")
    assert unknown.returncode == 1
    assert "nothing was ever sent of it" in unknown.stderr


def test_a_dry_run_a_later_day_and_a_backfill(ran, later):
    home, _ = ran
    source = ["--source", str(later[0])]
    dry = tasks(home.run("contract-events", "run", "--day", NEXT, *source, "--dry-run"))
    assert "it would send" in dry["version"]
    assert dry["version"].startswith("skipped")
    assert dry["publish"].startswith("skipped")
    assert len(home.json("contract-events", "messages", "--json")) == 54

    first = sent(home.run("contract-events", "run", "--day", NEXT, *source))
    assert sum(first.values()) > 0

    # The first of these days is taken and sent already; of the other one the files are new.
    filled = home.run("contract-events", "backfill", NEXT, LAST, "--source", str(later[1]))
    assert f"version {NEXT} generation 2 is sent" in filled  # the dry run has taken generation 1
    assert "the newest sending first" in filled
    total = 54 + sum(first.values()) + sum(sent(filled).values())
    assert home.json("contract-events", "verify", "--json")["messages"] == total
    with home.warehouse():
        assert home.query(COUNT) == [{"n": total}]
        answers = json.loads(home.run("contract-events", "answers", "--json"))
        assert sum(answers["events_by_operation"].values()) == total
        days = home.query("SELECT DISTINCT day FROM ops.contract_event_run ORDER BY day")
    assert [row["day"] for row in days] == [DAY, NEXT, LAST]


def test_verify_says_what_differs_and_exits_1(ran, kafka):
    from confluent_kafka import Producer

    home, _ = ran
    producer = Producer({"bootstrap.servers": kafka.address})
    producer.produce(home.environ["LUMBUNG_CONTRACT_EVENTS_TOPIC"], key="x", value="foreign")
    producer.flush()
    verified = home.call("contract-events", "verify")
    assert verified.returncode == 1
    assert "1 foreign" in verified.stdout


def test_what_cannot_work_is_refused_before_anything_starts(ran, tmp_path):
    home, _ = ran
    for arguments in (("run", "--source", str(tmp_path / "nowhere")), ("backfill", NEXT, DAY)):
        refused = home.call("contract-events", *arguments)
        assert refused.returncode == 1
        assert re.search("no such folder|is after", refused.stderr)
