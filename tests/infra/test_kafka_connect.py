"""The configuration of kafka-connect-spooldir against the connector's documented options.

The connector itself can be had from Confluent Hub only, so it is not started here. The options are those of
https://docs.confluent.io/kafka-connectors/spooldir/current/connectors/line_delimited_source_connector.html and, for
what may stand there, of the connector's own definitions (github.com/jcustenborder/kafka-connect-spooldir:
AbstractSourceConnectorConfig, SpoolDirLineDelimitedSourceConnectorConfig), read in November 2026.
"""

import codecs
import re
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from lumbung.core.settings import Settings
from lumbung.stream.collect import ERROR, FINISHED, INCOMING

FOLDER = Path(__file__).parents[2] / "infra" / "kafka-connect"
Check = Callable[[str], object]


def one_of(*values: str) -> Check:
    return lambda value: value in values


def at_least(least: int) -> Check:
    return lambda value: value.isdigit() and int(value) >= least


def folder(value: str) -> bool:
    return PurePosixPath(value).is_absolute()


def anything(value: str) -> bool:
    return value != ""


flag = one_of("true", "false")
ORDERS = [f"{what}{order}" for what in ("Name", "Length", "LastModified") for order in ("Asc", "Desc")]

CONNECTOR: dict[str, Check] = {
    "topic": anything,
    "batch.size": at_least(1),
    "empty.poll.wait.ms": at_least(1),
    "cleanup.policy": one_of("NONE", "DELETE", "MOVE", "MOVEBYDATE"),
    "cleanup.policy.maintain.relative.path": flag,
    "input.path": folder,
    "input.path.walk.recursively": flag,
    "finished.path": folder,
    "error.path": folder,
    "input.file.pattern": re.compile,
    "halt.on.error": flag,
    "file.minimum.age.ms": at_least(0),
    "processing.file.extension": re.compile(r"^.*\..+$").match,
    "timestamp.mode": one_of("FIELD", "FILE_TIME", "PROCESS_TIME"),
    "files.sort.attributes": lambda value: set(value.split(",")) <= set(ORDERS),
    "task.index": at_least(0),
    "task.count": at_least(1),
    "task.partitioner": one_of("ByName"),
    "files.notifications.enabled": flag,
    "files.notifications.topic": anything,
    "files.notifications.record.creator.class": anything,
    "file.buffer.size.bytes": at_least(1),
    "file.charset": codecs.lookup,
}
REQUIRED = {"topic", "input.path", "error.path", "input.file.pattern", "finished.path"}

CONVERTER = "org.apache.kafka.connect.storage.StringConverter"  # the one that the connector's page recommends
# https://kafka.apache.org/documentation/#connectconfigs and #sourceconnectconfigs
FRAMEWORK: dict[str, Check] = {
    "name": anything,
    "connector.class": one_of("com.github.jcustenborder.kafka.connect.spooldir.SpoolDirLineDelimitedSourceConnector"),
    "tasks.max": at_least(1),
    "key.converter": one_of(CONVERTER),
    "value.converter": one_of(CONVERTER),
    "producer.override.compression.type": one_of("none", "gzip", "snappy", "lz4", "zstd"),
}
WORKER: dict[str, Check] = {
    "bootstrap.servers": re.compile(r"^[a-z]+:\d+$").match,
    "plugin.path": folder,
    "key.converter": one_of(CONVERTER),
    "value.converter": one_of(CONVERTER),
    "offset.storage.file.filename": folder,
    "topic.creation.enable": one_of("false"),
    "connector.client.config.override.policy": one_of("All"),
    "listeners": one_of("http://127.0.0.1:8083"),
}


def properties(name: str) -> dict[str, str]:
    """A Java properties file; a backslash stands before a backslash."""
    lines = [line for line in (FOLDER / name).read_text().splitlines() if line and not line.startswith("#")]
    pairs = [line.split("=", 1) for line in lines]
    values = {key: value.replace("\\\\", "\\") for key, value in pairs}
    assert len(values) == len(pairs)
    return values


@pytest.mark.parametrize(
    ("name", "options"), [("spooldir.properties", CONNECTOR | FRAMEWORK), ("worker.properties", WORKER)]
)
def test_each_option_is_documented_and_its_value_allowed(name, options):
    for key, value in properties(name).items():
        assert key in options, f"{key} is not an option"
        assert options[key](value), f"{key} may not be {value}"


def test_required_options_are_there():
    assert set(properties("spooldir.properties")) >= REQUIRED | {"name", "connector.class"}


def test_it_reads_and_files_as_the_shipper_does():
    connector = properties("spooldir.properties")
    names = {option: PurePosixPath(connector[f"{option}.path"]).name for option in ("input", "finished", "error")}
    assert names == {"input": INCOMING, "finished": FINISHED, "error": ERROR}
    assert connector["topic"] == Settings().kafka.topic
    taken = re.compile(connector["input.file.pattern"]).fullmatch
    assert taken("synthetic-9f7a66227aeef541.jsonl")
    assert not taken("synthetic-9f7a66227aeef541.tmp")
    assert not taken("synthetic-9f7a66227aeef541.jsonl" + connector["processing.file.extension"])
