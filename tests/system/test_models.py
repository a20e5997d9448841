"""`make run-models` as a person starts it, and what it prints at its end, pasted into a shell."""

import json
import os
import re
import socket
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COUNT = "SELECT COUNT(*) AS n, COUNT(DISTINCT batch) AS batches FROM dwh.fact_activity"


@pytest.fixture(scope="module")
def ran(make_home, kafka):
    """A home after `make run-models`, and what that printed; the broker is that of the tests."""
    home = make_home()
    home.environ = {"LUMBUNG_KAFKA": kafka.address, "LUMBUNG_ACTIVITY_TOPIC": f"a{os.urandom(6).hex()}"}
    # The environments are there; installing them is tested elsewhere.
    done = subprocess.run(
        ["make", "--no-print-directory", "--old-file=install", "run-models"],
        cwd=ROOT, env=home.env(), capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return home, done.stdout


def tasks(printed: str) -> dict[str, str]:
    """The lines of a run's tasks, by task."""
    return {match[1]: line for line in printed.splitlines() if (match := re.match(r"\S+ +(\S+)", line))}


def test_a_run_ends_with_the_table_of_models(ran):
    home, printed = ran
    done = tasks(printed)
    assert {"replay", "train[0]", "train[7]", "build.datamart.model_quality", "publish", "activate"} <= done.keys()
    assert "release 1; latest: a-4, b-4" in done["activate"]
    table = printed.partition("Models: each metric beside")[2]
    assert re.search(r"^b-3 +15,000 +0\.\d{3} / 0\.\d{3} / 0\.\d{3}", table, re.MULTILINE)
    quality = json.loads(home.run("models", "answers", "--json"))["quality"]
    (recall,) = (row for row in quality if (row["model_id"], row["metric"]) == ("b-3", "recall_at_20"))
    assert recall["ratio_to_baseline"] >= 1.15
    assert recall["ratio_to_truth"] >= 0.8
    assert recall["beats_baseline"]
    assert "activity (Kafka)" in printed
    assert home.processes() == []


def test_the_last_lines_serve_the_models_and_ask_one(ran):
    home, printed = ran
    lines = printed.rstrip().splitlines()[-2:]
    assert lines[0].endswith("models serve --port 8000 &")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    script = "\n".join([*lines, "echo", "kill %1", "wait"]).replace("8000", port)
    done = subprocess.run(
        ["bash", "-m"], input=script, cwd=ROOT, env=home.env(), capture_output=True, text=True, timeout=120, check=False
    )
    answer = json.loads(done.stdout.splitlines()[0])
    assert answer["model"] == "b-4"
    assert len(answer["items"]) == 5
    assert all(item["title"] for item in answer["items"])
    assert answer["ignored"] == []


def test_status_is_what_it_says(ran):
    home, _ = ran
    status = home.json("models", "status", "--json")
    assert set(status) == {"batches", "models"}
    assert status["batches"][0] == {"number": 1, "rows": 5000, "rejected": 0, "first_seq": 0, "last_seq": 4999}
    assert [model["id"] for model in status["models"]] == [f"{scheme}-{n}" for scheme in "ab" for n in (1, 2, 3, 4)]
    for model in status["models"]:
        assert set(model) == {"id", "scheme", "number", "rows", "batches", "kinds", "metrics"}
        assert set(model["kinds"]) == {"recommendation", "clustering", "completion", "rating"}


def test_a_second_run_sends_and_trains_nothing(ran):
    home, _ = ran
    done = tasks(home.run("models", "run"))
    assert "20,000 rows sent before" in done["replay"]
    assert done["train"].startswith("skipped")
    assert "0 days loaded" in done["load.activity"]
    rows = home.query("SELECT COUNT(*) AS n, COUNTIF(reused) AS reused FROM ops.model_run")
    assert rows == [{"n": 16, "reused": 9}], "eight of the second run, and a-1 or b-1 of the first"


def test_a_dataset_of_ones_own_and_two_runs_at_once(ran, tmp_path):
    home, _ = ran
    file, mapping = tmp_path / "watched.csv", tmp_path / "watched.yaml"
    lines = [f"siswa-{n % 40},kursus-{n % 7},{n % 5 + 1},2026-09-20T{n % 24:02}:00:00+07:00" for n in range(6000)]
    file.write_text("\n".join(["siswa,kursus,bintang,waktu", *lines, "siswa-1,kursus-1"]) + "\n")
    names = {"student_id": "siswa", "course_id": "kursus", "rating": "bintang", "event_at": "waktu"}
    mapping.write_text("columns:\n" + "".join(f"  - {{name: {n}, from: {f}}}\n" for n, f in names.items()))
    commands = [
        home.command("models", "run", "--dataset", str(file), "--contract", str(mapping)),
        home.command("models", "run", "--dataset", "none"),
    ]
    running = [
        subprocess.Popen(command, env=home.env(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for command in commands
    ]
    for process in running:
        printed, _ = process.communicate(timeout=900)
        assert process.returncode == 0, printed[-3000:]
    assert home.query(COUNT) == [{"n": 26000, "batches": 6}]
    status = home.json("models", "status", "--json")
    assert [(batch["rows"], batch["rejected"]) for batch in status["batches"][4:]] == [(5000, 0), (1000, 1)]
    compared = home.run("models", "compare", "a-5", "b-latest")
    assert "rating_rmse" in compared


def test_going_back_and_cleaning_up(ran):
    home, _ = ran
    assert "b-3" in home.run("models", "rollback", "b-3")
    assert "a-1" in home.run("models", "prune", "--keep", "2", "--dry-run")
    refused = home.call("models", "rollback", "b-99")
    assert refused.returncode == 1
    assert "there is no such model" in refused.stderr
    assert home.call("prune", "--keep", "1").returncode == 0
