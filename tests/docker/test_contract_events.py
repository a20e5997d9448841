"""Contract events through the services: the DAG in Airflow, Kafka, the schema registry and a JVM Spark."""

import json

import pytest

from support.docker_services import crash

DAG_ID = "contract_events"
SUBJECT = "contract-events-value"


@pytest.fixture
def services(stack, streaming):
    stack.wait_for(lambda: DAG_ID in stack.api.dag_ids(), "the DAG")
    return stack


def run(stack, day, **options):
    run_id = stack.api.trigger(DAG_ID, {"day": f"{day}", **options})
    assert stack.ended(run_id, DAG_ID) == "success"


def messages(stack):
    return json.loads(stack.lumbung("contract-events", "messages", "--json"))


def operations(found):
    return [message["value"]["payload"]["contractIdentifier"]["operation"] for message in found]


def ask_registry(stack, path):
    program = (
        f"from urllib.request import urlopen; print(urlopen('http://schema-registry:8080/{path}').read().decode())"
    )
    return json.loads(stack.compose("exec", "-T", "airflow-scheduler", "python", "-c", program).stdout)


def test_the_dag_sends_an_event_of_each_active_account_once(services, day):
    run(services, day)
    lines = (services.checkout / "data-source/contract-events/accounts.csv").read_text().splitlines()[1:]
    active = sorted(line.split(",")[2] for line in lines if line.split(",")[1] == "1")
    found = messages(services)
    assert sorted(message["key"] for message in found) == active
    assert set(operations(found)) == {"INSERT"}
    services.lumbung("contract-events", "verify")
    run(services, day)
    assert messages(services) == found, "a second run sends nothing"


def test_the_registry_has_the_schema_and_keeps_it_in_kafka(services):
    path = f"apis/ccompat/v7/subjects/{SUBJECT}/versions/latest"
    schema = ask_registry(services, path)
    assert json.loads(schema["schema"])["type"] == "object"
    crash(services, "schema-registry")
    health = lambda: services.containers()["schema-registry"]["State"]["Health"]["Status"] == "healthy"  # noqa: E731
    services.wait_for(health, "the registry")
    assert ask_registry(services, path) == schema


def test_a_change_of_the_mounted_files_is_sent_after_the_broker_was_killed(services, day):
    file = services.checkout / "data-source/contract-events/accounts.csv"
    text = file.read_text()
    number = next(line.split(",")[2] for line in text.splitlines()[1:] if line.split(",")[1] == "1")
    line = next(line for line in text.splitlines() if f",{number}," in line)
    before = messages(services)
    crash(services, "kafka")
    # In place: the folder is mounted, and Compose keeps to the file that it has seen.
    file.write_text(text.replace(line, line.rpartition(",")[0] + ",Singapore"))
    run(services, day, refresh=True)
    more = [message for message in messages(services) if message not in before]
    assert [message["key"] for message in more] == [number]
    assert operations(more) == ["UPDATE"]
    assert more[0]["value"]["payload"]["contractCountry"]["newValue"] == "Singapore"
    services.lumbung("contract-events", "verify")
