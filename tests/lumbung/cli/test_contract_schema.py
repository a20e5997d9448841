"""`schema check` and `schema publish`: the schema of contract events beside what a registry has."""

import uuid

import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from typer.testing import CliRunner

from lumbung.cli.contract_schema import app
from lumbung.core.errors import LumbungError
from lumbung.systems.contract_events import schema


@pytest.fixture
def run(registry_url, monkeypatch):
    """Run a command; its exit code, and what it printed with single spaces or raised."""
    topic = f"t{uuid.uuid4().hex}"
    monkeypatch.setenv("LUMBUNG_SCHEMA_REGISTRY", registry_url)
    monkeypatch.setenv("LUMBUNG_CONTRACT_EVENTS_TOPIC", topic)

    def run(command, version="1.0"):
        monkeypatch.setenv("LUMBUNG_CONTRACT_EVENTS_SCHEMA_VERSION", version)
        result = CliRunner().invoke(app, [command])
        assert result.exception is None or isinstance(result.exception, (LumbungError, SystemExit))
        return result.exit_code, " ".join(f"{result.output} {result.exception or ''}".split())

    run.subject = f"{topic}-value"
    return run


def test_check_and_publish(run):
    code, printed = run("check")
    assert (code, "1.0 new: the registry has no schema of this topic" in printed) == (0, True)
    code, printed = run("publish")
    assert code == 0
    assert f"{run.subject} 1.0 new: " in printed
    assert " BACKWARD 1 1 " in printed
    assert "1.0 same: the registry has it" in run("check")[1]
    code, printed = run("check", "1.1")
    assert (code, "1.1 compatible: the registry does not have it; it fits" in printed) == (0, True)
    assert " BACKWARD 2 2 " in run("publish", "1.1")[1]
    assert "1.0 same: the registry has it" in run("check", "1.0")[1]


def test_a_schema_that_does_not_fit_exits_1(run, registry_url):
    client = SchemaRegistryClient({"url": registry_url})
    client.register_schema(run.subject, Schema(schema.text("1.1"), "JSON"))
    client.set_compatibility(run.subject, "BACKWARD")
    code, printed = run("check")
    assert code == 1
    assert "1.0 incompatible: it does not fit" in printed
    assert "the schema does not fit what the registry has" in printed
    assert "lumbung contract-events schema check" in printed
    assert run("publish")[0] == 1
    assert client.get_versions(run.subject) == [1]


def test_without_a_registry_the_error_names_the_setting(run, monkeypatch):
    monkeypatch.delenv("LUMBUNG_SCHEMA_REGISTRY")
    assert "LUMBUNG_SCHEMA_REGISTRY: no schema registry is set" in run("check")[1]
