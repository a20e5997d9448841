"""Tweets through services of their own: collector, shipper, Kafka and lander, cleaned by a JVM Spark."""

import json
import os
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from support.docker_engine import run
from support.docker_services import SCHEDULER, crash, restarts

DAG_ID = "tweets"


@pytest.fixture(scope="module", autouse=True)
def up(streaming):
    """All of it is up."""


@pytest.fixture(scope="module")
def laptop(day):
    """The answers of the same two days without Docker, cleaned by Sail."""
    with tempfile.TemporaryDirectory(prefix="lumbung-laptop-") as home:
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("LUMBUNG_", "BIGQUERY_"))}
        environ |= {"LUMBUNG_HOME": home}
        lumbung = Path(sys.executable).with_name("lumbung")
        run(lumbung, "tweets", "collect", "--day", f"{day - timedelta(days=1)}", env=environ)
        run(lumbung, "tweets", "run", "--day", f"{day}", env=environ)
        return json.loads(run(lumbung, "tweets", "answers", "--json", env=environ).stdout)


def status(stack):
    return json.loads(stack.lumbung("tweets", "status", "--json"))


def landed(stack):
    """Whether all that was collected is in the lake."""
    report = status(stack)
    # A broker that was just killed does not give its lag yet.
    return report["spool"]["files_to_ship"] == 0 and report["kafka"]["lag"] == 0


def test_what_the_collector_brings_is_shipped_and_landed(stack):
    stack.wait_for(lambda: status(stack)["spool"]["files_shipped"] > 0, "the collector's file")
    stack.wait_for(lambda: landed(stack), "the lander")


def test_a_killed_lander_and_shipper_come_back_and_nothing_is_lost_or_doubled(stack, day, laptop):
    stack.compose("exec", "-T", SCHEDULER, "lumbung", "tweets", "collect", "--day", f"{day - timedelta(days=1)}")
    for service in ("lander", "shipper", "kafka", "lander"):
        crash(stack, service)
    stack.wait_for(lambda: landed(stack), "all to be landed")
    assert stack.ended(stack.trigger(day, DAG_ID), DAG_ID) == "success"
    assert json.loads(stack.lumbung("tweets", "answers", "--json")) == laptop
    assert laptop["total_tweet"] > 0
    assert restarts(stack, "collector") == 0
    assert {run["state"] for run in stack.api.dag_runs(DAG_ID)} == {"success"}, "the schedule's first, too"


def test_the_broker_answers_this_machine():
    topics = AdminClient({"bootstrap.servers": "127.0.0.1:9094"}).list_topics(timeout=30).topics
    assert {"investasi", "investasi.done", "investasi.dead"} <= topics.keys()


def test_the_doctor_sees_the_services(stack):
    findings = {finding["name"]: finding for finding in json.loads(stack.lumbung("doctor", "--json"))}
    assert not [finding for finding in findings.values() if not finding["ok"]]
    assert "kafka:9092" in findings["Kafka"]["found"]
    assert "sc://spark:15002" in findings["Spark"]["found"]


def test_the_report_has_cilvests_part(stack):
    assert "Report: " in stack.lumbung("report")
