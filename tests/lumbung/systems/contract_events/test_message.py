"""Messages: their bytes depend on contract, version and payload only."""

import json
import uuid
from datetime import date

import pytest

from lumbung.systems.contract_events.message import NAMESPACE, Messages, event_time, name_uuid

DAY = date(2026, 11, 24)
PAYLOAD = '{"contractIdentifier":{"operation":"INSERT","newValue":"a"}}'


def test_an_event_has_its_fields_in_order_and_is_compact():
    identifier, value = Messages(DAY, 2, "1.1").message('x"\\ é', PAYLOAD)
    event = json.loads(value)
    assert json.dumps(event, ensure_ascii=False, separators=(",", ":")) == value
    assert list(event) == ["eventHeader", "keys", "payload"]
    assert event["eventHeader"] == {
        "eventIdentifier": identifier,
        "eventType": "SBDL-Contract",
        "majorSchemaVersion": 1,
        "minorSchemaVersion": 1,
        "eventDateTime": "2026-11-23T17:00:00.000Z",
    }
    assert event["keys"] == [{"keyField": "contractIdentifier", "keyValue": 'x"\\ é'}]
    assert value.endswith(f'"payload":{PAYLOAD}}}')


def test_the_identifier_is_a_uuid_of_contract_day_generation_and_payload():
    identifier, _ = Messages(DAY, 2, "1.0").message("a", PAYLOAD)
    assert identifier == str(uuid.uuid5(NAMESPACE, f'"a","2026-11-24",2,{PAYLOAD}'))
    others = [
        Messages(DAY, 2, "1.0").message("b", PAYLOAD),
        Messages(DAY, 1, "1.0").message("a", PAYLOAD),
        Messages(date(2026, 11, 25), 2, "1.0").message("a", PAYLOAD),
        Messages(DAY, 2, "1.0").message("a", PAYLOAD.replace("INSERT", "UPDATE")),
    ]
    assert len({identifier, *(other for other, _ in others)}) == 5


@pytest.mark.parametrize("name", ["", "a", "Jl. Asia №1", '"🏦","2026-11-24",1,{}', "x" * 5_000])
def test_a_name_has_the_uuid_that_python_gives_it(name):
    assert name_uuid(name) == str(uuid.uuid5(NAMESPACE, name))


def test_the_time_is_the_beginning_of_the_day_in_jakarta():
    assert event_time(date(2024, 3, 1)) == "2024-02-29T17:00:00.000Z"
