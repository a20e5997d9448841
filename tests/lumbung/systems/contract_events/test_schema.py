"""The schema of events: what it takes, what it refuses and in which words, and its versions in a registry."""

import copy
import json
import re
import shutil
import subprocess
import uuid
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from lumbung.core.errors import LumbungError
from lumbung.core.settings import ROOT, Settings
from lumbung.stream.registry import frame
from lumbung.systems.contract_events import schema
from support.contract_messages import (
    ADDRESS,
    deleted,
    deleted_contract,
    event,
    inserted,
    inserted_contract,
    kept,
    updated,
    updated_contract,
)

VERSIONS = schema.VERSIONS
BARE = {"contractIdentifier": inserted("1"), "partyRelations": []}


def check(payload, version="1.0", **changes):
    message = event(payload, minor=int(version[-1]))
    message["eventHeader"] |= changes
    schema.validator(version)([json.dumps(message, separators=(",", ":"), ensure_ascii=False)])


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "payload",
    [
        inserted_contract(),
        BARE,
        updated_contract(),
        deleted_contract('é € 😀 " \\ \t'),
        {"contractIdentifier": kept("1"), "contractCountry": deleted(" ")},
        {"contractIdentifier": kept("1"), "partyRelations": [{"partyIdentifier": deleted("2")}]},
        {"contractIdentifier": kept("1"), "partyRelations": [{"partyIdentifier": inserted("2")}]},
    ],
)
def test_what_the_schema_takes(payload, version):
    check(payload, version)


def test_version_1_1_adds_the_start_under_its_right_name():
    check(inserted_contract(minor=1), "1.1")
    with pytest.raises(LumbungError, match=r"payload: Additional properties .*'contractStartDateTime' was unexpected"):
        check(inserted_contract(minor=1), "1.0")


def changed(payload, *path, to=None, without=None):
    """A copy of the payload with another value, or without one, at a place."""
    made = copy.deepcopy(payload)
    place = made
    for step in path[:-1]:
        place = place[step]
    if without:
        place[path[-1]].pop(without)
    else:
        place[path[-1]] = to
    return made


FULL, UPDATE = inserted_contract(), updated_contract()
TITLE = FULL["contractTitle"]["newValue"]
REFUSED = {
    "an INSERT with an old value": (
        changed(FULL, "contractCountry", to=updated("a", "b") | {"operation": "INSERT"}),
        r"payload.contractCountry: Additional properties .*'oldValue' was unexpected",
    ),
    "another operation in an INSERT": (
        changed(FULL, "contractCountry", to=updated("a", "b")),
        r'payload.contractCountry.operation: the value is not one of "INSERT"',
    ),
    "an UPDATE without its old value": (
        changed(UPDATE, "contactStartDateTime", without="oldValue"),
        r'payload.contactStartDateTime: "oldValue" is a required property',
    ),
    "a DELETE with a new value": (
        changed(UPDATE, "sourceSystemIdentifier", to=updated("a", "b") | {"operation": "DELETE"}),
        r"payload.sourceSystemIdentifier: Additional properties .*'newValue'",
    ),
    "an identifier of an UPDATE with its old value": (
        changed(UPDATE, "contractIdentifier", to=updated("1", "1")),
        r"payload.contractIdentifier: Additional properties .*'oldValue'",
    ),
    "a party's identifier with its old value": (
        changed(UPDATE, "partyRelations", 1, "partyIdentifier", to=updated("1", "1")),
        r"payload.partyRelations\[1\].partyIdentifier: Additional properties .*'oldValue'",
    ),
    "an unknown operation": (
        changed(FULL, "contractIdentifier", "operation", to="UPSERT"),
        r"payload: has no operation of INSERT, UPDATE and DELETE",
    ),
    "an INSERT without its list of parties": (
        {"contractIdentifier": inserted("1")},
        r'payload: "partyRelations" is a required property',
    ),
    "an UPDATE of nothing": ({"contractIdentifier": kept("1")}, r"payload: .*less than 2 properties"),
    "an UPDATE with an empty list of parties": (
        {"contractIdentifier": kept("1"), "partyRelations": []},
        r"payload.partyRelations: .*less than 1 item",
    ),
    "a party that changed in nothing": (
        {"contractIdentifier": kept("1"), "partyRelations": [{"partyIdentifier": kept("2")}]},
        r"payload.partyRelations\[0\]: .*less than 2 properties",
    ),
    "a DELETE with more": (deleted_contract() | {"contractCountry": deleted("a")}, r"payload: Additional properties"),
    "a deleted party with more": (
        changed(UPDATE, "partyRelations", 0, to={"partyIdentifier": deleted("1"), "partyAddress": deleted(ADDRESS)}),
        r"payload.partyRelations\[0\]: Additional properties",
    ),
    "a null leaf": (FULL | {"contractCountry": None}, r'payload.contractCountry: the value is not of type "object"'),
    "a null value": (FULL | {"contractCountry": inserted(None)}, r"payload.contractCountry.newValue: .*\"string\""),
    "an empty text": (FULL | {"contractCountry": inserted("")}, r"newValue: the value is shorter than 1 character"),
    "a null part of an address": (
        changed(FULL, "partyRelations", 0, "partyAddress", "newValue", "addressCity", to=None),
        r"payload.partyRelations\[0\].partyAddress.newValue.addressCity: ",
    ),
    "an empty address": (
        changed(FULL, "partyRelations", 0, "partyAddress", "newValue", to={}),
        r"partyAddress.newValue: .*less than 1 propert",
    ),
    "no line of a title": (FULL | {"contractTitle": inserted([])}, r"contractTitle.newValue: .*less than 1 item"),
    "three lines of a title": (FULL | {"contractTitle": inserted([*TITLE, TITLE[0]])}, r"more than 2 items"),
    "an unknown line of a title": (
        changed(FULL, "contractTitle", "newValue", 0, "contractTitleLineType", to="lgl_ttl_ln_3"),
        r'contractTitle.newValue\[0\].contractTitleLineType: the value is not one of "lgl_ttl_ln_1"',
    ),
    "a field that is not in the schema": (FULL | {"contractIban": inserted("1")}, r"'contractIban' was unexpected"),
    "a number where a text is": (FULL | {"contractBranchCode": inserted(5)}, r"newValue: the value is not of type"),
    **{
        f"a time like {time}": (
            FULL | {"contactStartDateTime": inserted(time)},
            r"payload.contactStartDateTime.newValue: the value does not match",
        )
        for time in (
            *("2018-03-24T06:26:05Z", "2018-03-24T06:26:05.000+00:00", "2018-03-24 06:26:05.000Z"),
            *("+10000-01-01T00:00:00.000Z", "2018-13-24T06:26:05.000Z", "2018-03-24T24:00:00.000Z"),
            *("2018-03-24T06:26:05.000Z\n", "２０１８-03-24T06:26:05.000Z", "2018-03-24T06:26:05.000000Z"),
        )
    },
    "a date like a time": (
        changed(FULL, "partyRelations", 0, "partyAddress", "newValue", "addressStartDate", to="2019-02-26T00:00:00"),
        r"addressStartDate: the value does not match",
    ),
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", REFUSED)
def test_what_the_schema_refuses_and_where(case, version):
    payload, message = REFUSED[case]
    with pytest.raises(LumbungError, match=f"version {version} of their schema: .*{message}") as error:
        check(payload, version)
    assert str(error.value).startswith(f"contract {payload['contractIdentifier'].get('newValue', '6982391060')}: ")
    assert "Sri Wahyuni" not in str(error.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"eventIdentifier": str(uuid.UUID(int=0))}, "eventHeader.eventIdentifier: the value does not match"),
        ({"eventType": "other"}, 'eventHeader.eventType: the value is not one of "SBDL-Contract"'),
        ({"majorSchemaVersion": 2}, "eventHeader.majorSchemaVersion: the value is not one of 1"),
        ({"minorSchemaVersion": 1}, "eventHeader.minorSchemaVersion: 0 was expected"),
        ({"minorSchemaVersion": "0"}, "eventHeader.minorSchemaVersion: 0 was expected"),
        ({"eventDateTime": "2026-11-25"}, "eventHeader.eventDateTime: the value does not match"),
        ({"more": 1}, "eventHeader: Additional properties"),
    ],
)
def test_headers_that_are_refused(changes, message):
    with pytest.raises(LumbungError, match=message):
        check(FULL, **changes)


@pytest.mark.parametrize("text", ["", "{", "{}", "[]", "null", '"x"', json.dumps(event(BARE))[:-1], '{"payload": 5}'])
def test_what_is_no_event_at_all(text):
    with pytest.raises(LumbungError, match=r"contract events: an event breaks version 1.0 of their schema: "):
        schema.validator("1.0")([json.dumps(event(BARE)), text])


def test_an_event_of_an_earlier_version_is_refused_though_who_reads_takes_it():
    with pytest.raises(LumbungError, match="minorSchemaVersion: 1 was expected"):
        schema.validator("1.1")([json.dumps(event(BARE, minor=0))])


def test_the_one_event_of_many_that_breaks_it_is_named_also_by_several_threads():
    many = [json.dumps(event(inserted_contract(f"{number}"))) for number in range(3000)]
    schema.validator("1.0")(many)
    many[2345] = many[2345].replace("INSERT", "UPSERT", 1)
    schema.validator("1.0")([])
    with ThreadPoolExecutor(4) as pool:
        found = [pool.submit(schema.validator("1.0"), many) for _ in range(4)]
    assert all(str(each.exception()).startswith("contract 2345: ") for each in found)


def walk(node, path=()):
    yield path, node
    for step, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield from walk(value, (*path, step))


@pytest.mark.parametrize("version", VERSIONS)
def test_every_field_is_described_and_no_other_is_taken(version):
    loaded = json.loads(schema.text(version))
    for path, node in walk(loaded):
        if isinstance(node, dict) and "properties" in node and path[-1:] != ("properties",):
            assert node["additionalProperties"] is False, path
            assert node["type"] == "object", path
            assert set(node["required"]) <= set(node["properties"]), path
            for name, field in node["properties"].items():
                definition = field if "description" in field else loaded["definitions"][field["$ref"].split("/")[-1]]
                assert definition["description"].endswith("."), (*path, name)


def test_both_versions_differ_only_in_what_1_1_adds():
    first, second = (json.loads(schema.text(version)) for version in VERSIONS)
    for form in ("contractInserted", "contractUpdated"):
        assert second["definitions"][form]["properties"].pop("contractStartDateTime")
    header = second["properties"]["eventHeader"]["properties"]
    assert header["minorSchemaVersion"]["enum"] == [0, 1]
    header["minorSchemaVersion"]["enum"] = [0]
    second["description"] = first["description"]
    assert first == second


PAGE = (ROOT / "docs" / "reference" / "contract-event.md").read_text()


def code_blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_the_pages_examples_are_events_and_its_code_folds_them():
    examples = code_blocks("json")
    assert len(examples) == 3
    schema.validator("1.0")(examples)
    (code,) = code_blocks("python")
    space = {}
    exec(code, space)
    contracts, states = {}, []
    for example in examples:
        for _ in range(2):  # a message that is read twice changes nothing
            space["fold"](contracts, b"6982391060", frame(7) + example.encode())
        states.append(copy.deepcopy(contracts))
    first, second = (state[b"6982391060"] for state in states[:2])
    assert first["contractCountry"] == "Indonesia"
    assert first["parties"]["9823462810"]["partyAddress"]["addressCity"] == "Bandung"
    assert "contractCountry" not in second
    assert second["parties"]["9823462810"]["partyAddress"]["addressCity"] == "Medan"
    assert states[2] == {}
    space["fold"](contracts, b"6982391060", None)
    for payload in (inserted_contract(), updated_contract()):
        space["fold"](contracts, b"1", json.dumps(event(payload)).encode())
    assert set(contracts[b"1"]["parties"]) == {"9820", "9821", "2", "3"}
    again = [*examples[1:], *examples]  # a consumer that starts again from an earlier offset
    for example in again:
        space["fold"](contracts, b"6982391060", example.encode())
    assert set(contracts) == {b"1"}


def registry_settings(url):
    return Settings.of(schema_registry=url, contract_events_topic=f"t{uuid.uuid4().hex}")


def test_version_1_1_fits_1_0_and_not_the_other_way_round(registry_url):
    settings = registry_settings(registry_url)
    registry = schema.registry(settings)
    assert registry.subject == f"{settings.contract_events.topic}-value"
    first = schema.prefix(settings, "1.0")
    assert first == frame(registry.check(schema.text("1.0")).schema_id)
    assert registry.check(schema.text("1.1")).state == "compatible"
    schema.check_registry(settings, "1.1")
    assert registry.check(schema.text("1.1")).state == "compatible"  # a check writes nothing
    assert schema.prefix(settings, "1.1") != first
    # One that was sent before may be sent again.
    schema.check_registry(settings, "1.0")
    assert schema.prefix(settings, "1.0") == first
    other = registry_settings(registry_url)
    later = schema.prefix(other, "1.1")
    with pytest.raises(LumbungError, match="the schema does not fit what the registry has"):
        schema.check_registry(other, "1.0")
    # Events of an earlier sending are valid by the later schema, too.
    assert schema.prefix(other, "1.0") == later


def test_a_schema_of_somebody_else_is_not_written_over(registry_url):
    settings = registry_settings(registry_url)
    registry = schema.registry(settings)
    foreign = {"type": "object", "properties": {"other": {"type": "string"}}, "additionalProperties": False}
    registry.publish(json.dumps({"$schema": "http://json-schema.org/draft-07/schema#"} | foreign))
    for call in (schema.check_registry, schema.prefix):
        with pytest.raises(LumbungError, match="the schema does not fit what the registry has"):
            call(settings, "1.0")
    assert registry.check(schema.text("1.0")).latest == 1


def test_without_a_registry_messages_have_no_prefix():
    schema.check_registry(Settings.of(), "1.0")
    assert schema.prefix(Settings.of(), "1.0") == b""


def test_an_installed_package_has_the_schemas(tmp_path):
    uv = ROOT / ".tools" / "bin" / "uv"
    project = tmp_path / "project"
    shutil.copytree(ROOT / "include" / "lumbung", project / "include" / "lumbung")
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, project)
    subprocess.run([uv, "build", "--wheel", "--quiet", "--out-dir", tmp_path, project], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = {name.rpartition("/")[2] for name in zipfile.ZipFile(wheel).namelist()}
    assert {f"event-{version}.schema.json" for version in VERSIONS} <= names
