"""What the doctor says of the schema registry."""

import uuid

from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

from lumbung.cli.doctor.checks import checks
from lumbung.cli.doctor.contracts import check
from lumbung.core.settings import Settings
from lumbung.local.processes import free_port
from lumbung.systems.contract_events import schema


def finding(settings):
    (found,) = check(settings)
    return found


def test_no_registry_is_no_fault():
    found = finding(Settings.of())
    assert (found.ok, found.found) == (True, "off: LUMBUNG_SCHEMA_REGISTRY is not set")


def test_a_registry_that_takes_the_schema_or_not(registry_url):
    topic = f"t{uuid.uuid4().hex}"
    settings = Settings.of(schema_registry=registry_url, contract_events_topic=topic)
    found = finding(settings)
    assert (found.ok, found.found) == (True, f"{registry_url} answers; version 1.0 of {topic}-value: new")
    client = SchemaRegistryClient({"url": registry_url})
    client.register_schema(f"{topic}-value", Schema(schema.text("1.1"), "JSON"))
    client.set_compatibility(f"{topic}-value", "BACKWARD")
    found = finding(settings)
    assert not found.ok
    assert found.found.endswith("incompatible")
    assert "lumbung contract-events schema check" in found.remedy


def test_a_registry_that_is_away_is_one_finding(tmp_path, monkeypatch):
    monkeypatch.setattr("lumbung.stream.registry.TRIES", 1)
    monkeypatch.setattr("lumbung.cli.doctor.checks.CHECKS", [("schema registry", "contracts", "check")])
    url = f"http://127.0.0.1:{free_port()}"
    (found,) = checks(Settings.of(home=tmp_path, schema_registry=url))
    assert not found.ok
    assert found.found.startswith(f"{url}: the schema registry does not answer")
