"""Twelve contracts over two days: their payloads, to the byte, from Sail and from a JVM Spark Connect server."""

import json
from datetime import UTC, date, datetime

import pytest

from support.contract_tables import DAY, NEXT, account, address, after, build, events, party, write


def inserted(value):
    return {"operation": "INSERT", "newValue": value}


def updated(new, old):
    return {"operation": "UPDATE", "newValue": new, "oldValue": old}


def deleted(value):
    return {"operation": "DELETE", "oldValue": value}


def same(contract_or_party):
    """The leaf of an id that stays."""
    return {"operation": "UPDATE", "newValue": contract_or_party}


def lines(*texts):
    return [
        {"contractTitleLineType": f"lgl_ttl_ln_{number}", "contractTitleLine": text}
        for number, text in enumerate(texts, 1)
        if text is not None
    ]


ADDRESS_1 = {
    "addressLine1": "Jalan Melati 1",
    "addressCity": "Bandung",
    "addressPostalCode": "04011",
    "addressCountry": "Indonesia",
    "addressStartDate": "2019-02-26",
}
MOVED = {**ADDRESS_1, "addressCity": "Bogor"}


def whole_party(party_id, address=ADDRESS_1):
    values = {
        "partyIdentifier": inserted(party_id),
        "partyRelationshipType": inserted("F-N"),
        "partyRelationStartDateTime": inserted("2019-07-29T06:21:32.000Z"),
    }
    return values if address is None else {**values, "partyAddress": inserted(address)}


def whole(contract_id, *parties, title=("Siti Wijaya", None)):
    """All leaves of the account of `contract_tables`, in the order of the event."""
    leaves = {
        "contractIdentifier": inserted(contract_id),
        "sourceSystemIdentifier": inserted("COR"),
        "contactStartDateTime": inserted("2018-03-24T06:56:45.000Z"),
        "contractTitle": inserted(lines(*title)),
        "taxIdentifier": inserted({"taxIdType": "NPWP", "taxId": "900-1"}),
        "contractBranchCode": inserted("JKT01"),
        "contractCountry": inserted("Indonesia"),
        "partyRelations": list(parties),
    }
    if not any(title):
        del leaves["contractTitle"]
    return leaves


# By contract: accounts, parties, addresses of the first day and of the next, and the payloads of both.
CONTRACTS = {
    "01 two titles; another country": (
        ([account("01", legal_title_2="Budi Santoso")], [], []),
        ([account("01", legal_title_2="Budi Santoso", country="Malaysia")], [], []),
        whole("01", title=("Siti Wijaya", "Budi Santoso")),
        {"contractIdentifier": same("01"), "contractCountry": updated("Malaysia", "Indonesia")},
    ),
    "02 a title twice; then once, as its second line": (
        ([account("02", legal_title_2="Siti Wijaya")], [], []),
        ([account("02", legal_title_1=None, legal_title_2="Siti Wijaya")], [], []),
        whole("02", title=("Siti Wijaya", "Siti Wijaya")),
        {
            "contractIdentifier": same("02"),
            "contractTitle": updated(lines(None, "Siti Wijaya"), lines("Siti Wijaya", "Siti Wijaya")),
        },
    ),
    "03 no title; then one": (
        ([account("03", legal_title_1=None)], [], []),
        ([account("03")], [], []),
        whole("03", title=(None, None)),
        {"contractIdentifier": same("03"), "contractTitle": inserted(lines("Siti Wijaya"))},
    ),
    "04 no parties; then one without an address": (
        ([account("04")], [], []),
        ([account("04")], [party("04", "p4")], []),
        whole("04"),
        {"contractIdentifier": same("04"), "partyRelations": [whole_party("p4", None)]},
    ),
    "05 two parties by the bytes of their ids; both go": (
        ([account("05")], [party("05", "p5a"), party("05", "p5B")], [address("p5a")]),
        ([account("05")], [], [address("p5a")]),
        whole("05", whole_party("p5B", None), whole_party("p5a")),
        {
            "contractIdentifier": same("05"),
            "partyRelations": [{"partyIdentifier": deleted("p5B")}, {"partyIdentifier": deleted("p5a")}],
        },
    ),
    "06 an address with nulls; it changes as a whole": (
        ([account("06")], [party("06", "p6")], [address("p6", address_line_1=None, postal_code=None)]),
        ([account("06")], [party("06", "p6")], [address("p6", address_line_1=None, postal_code="1")]),
        whole(
            "06",
            whole_party(
                "p6", {"addressCity": "Bandung", "addressCountry": "Indonesia", "addressStartDate": "2019-02-26"}
            ),
        ),
        {
            "contractIdentifier": same("06"),
            "partyRelations": [
                {
                    "partyIdentifier": same("p6"),
                    "partyAddress": updated(
                        {
                            "addressCity": "Bandung",
                            "addressPostalCode": "1",
                            "addressCountry": "Indonesia",
                            "addressStartDate": "2019-02-26",
                        },
                        {"addressCity": "Bandung", "addressCountry": "Indonesia", "addressStartDate": "2019-02-26"},
                    ),
                }
            ],
        },
    ),
    "07 leaves go: system, start, tax": (
        ([account("07")], [], []),
        ([account("07", source_sys=None, account_start_date=None, tax_id=None, tax_id_type=None)], [], []),
        whole("07"),
        {
            "contractIdentifier": same("07"),
            "sourceSystemIdentifier": deleted("COR"),
            "contactStartDateTime": deleted("2018-03-24T06:56:45.000Z"),
            "taxIdentifier": deleted({"taxIdType": "NPWP", "taxId": "900-1"}),
        },
    ),
    "08 a party changes, one stays, one comes": (
        ([account("08")], [party("08", "p8a"), party("08", "p8b")], [address("p8a"), address("p8b")]),
        (
            [account("08")],
            [
                party("08", "p8a", relation_type="F-S", relation_start_date="2019-07-29 13:21:33"),
                party("08", "p8b", relation_start_date="2019-07-29 13:21:32.0009"),
                party("08", "p80"),
            ],
            [address("p8b"), address("p8a", city="Bogor")],
        ),
        whole("08", whole_party("p8a"), whole_party("p8b")),
        {
            "contractIdentifier": same("08"),
            "partyRelations": [
                whole_party("p80", None),
                {
                    "partyIdentifier": same("p8a"),
                    "partyRelationshipType": updated("F-S", "F-N"),
                    "partyRelationStartDateTime": updated("2019-07-29T06:21:33.000Z", "2019-07-29T06:21:32.000Z"),
                    "partyAddress": updated(MOVED, ADDRESS_1),
                },
            ],
        },
    ),
    "09 becomes inactive, with its party": (
        ([account("09")], [party("09", "p9")], [address("p9")]),
        ([account("09", active_ind="0", country="Malaysia")], [party("09", "p9")], [address("p9")]),
        whole("09", whole_party("p9")),
        {"contractIdentifier": deleted("09")},
    ),
    "10 is gone": (
        ([account("10")], [], []),
        ([], [], []),
        whole("10"),
        {"contractIdentifier": deleted("10")},
    ),
    "11 is held; it has another country and no party": (
        ([account("11")], [party("11", "p11")], []),
        ([account("11", country="Malaysia")], [], []),
        whole("11", whole_party("p11", None)),
        None,
    ),
    "12 was inactive; then it is inserted": (
        ([account("12", active_ind="0")], [party("12", "p12")], []),
        ([account("12")], [party("12", "p12")], [address("p12")]),
        None,
        whole("12", whole_party("p12")),
    ),
}


def tables(day):
    return [[row for contract in CONTRACTS.values() for row in contract[day][table]] for table in range(3)]


def golden(day):
    compact = {"ensure_ascii": False, "separators": (",", ":")}
    payloads = {name[:2]: contract[2 + day] for name, contract in CONTRACTS.items() if contract[2 + day]}
    return {
        contract: (payload["contractIdentifier"]["operation"], json.dumps(payload, **compact))
        for contract, payload in payloads.items()
    }


@pytest.fixture(scope="module")
def days(engine, tmp_path_factory):
    """What the first day and the next give."""
    folder = tmp_path_factory.mktemp("days")
    (first,) = build(engine, write(folder / "1", *tables(0)))
    inputs = after(folder / "2", first, write(folder / "2", *tables(1), holds=[("11", None)]))
    (second,) = build(engine, inputs, day=NEXT)
    return first, second


@pytest.mark.parametrize("contract", [name[:2] for name in CONTRACTS])
def test_the_payloads_of_twelve_contracts(days, contract):
    first, second = map(events, days)
    assert first.get(contract) == golden(0).get(contract)
    assert second.get(contract) == (("HELD", None) if contract == "11" else golden(1).get(contract))


def test_the_states_of_twelve_contracts(days):
    first, second = ({row["contract_id"]: row for row in chunk.contracts.to_pylist()} for chunk in days)
    assert first["01"] == {
        "contract_id": "01",
        "source_system": "COR",
        "contract_start_at": datetime(2018, 3, 24, 6, 56, 45, tzinfo=UTC),
        "title_1": "Siti Wijaya",
        "title_2": "Budi Santoso",
        "tax_id_type": "NPWP",
        "tax_id": "900-1",
        "branch_code": "JKT01",
        "country": "Indonesia",
        "first_sent_day": DAY,
        "last_sent_day": DAY,
        "is_held": False,
    }
    assert list(first) == [f"{number:02}" for number in range(1, 12)]
    assert list(second) == [f"{number:02}" for number in (*range(1, 9), 11, 12)]
    assert second["01"] == {**first["01"], "country": "Malaysia", "last_sent_day": NEXT}
    assert second["11"] == {**first["11"], "is_held": True}
    assert (second["12"]["first_sent_day"], second["12"]["last_sent_day"]) == (NEXT, NEXT)
    parties = [[(row["contract_id"], row["party_id"]) for row in chunk.parties.to_pylist()] for chunk in days]
    assert parties[0] == [
        *(("05", "p5B"), ("05", "p5a"), ("06", "p6"), ("08", "p8a"), ("08", "p8b")),
        *(("09", "p9"), ("11", "p11")),
    ]
    assert parties[1] == [
        *(("04", "p4"), ("06", "p6"), ("08", "p80"), ("08", "p8a"), ("08", "p8b"), ("11", "p11"), ("12", "p12"))
    ]
    moved = days[1].parties.to_pylist()[3]
    assert (moved["city"], moved["address_start_date"]) == ("Bogor", date(2019, 2, 26))


def test_the_same_day_again_says_nothing(engine, days, tmp_path):
    first, _ = days
    inputs = after(tmp_path, first, write(tmp_path, *tables(0)))
    (again,) = build(engine, inputs, day=NEXT, schema_version="1.1")
    assert again.events.num_rows == 0
    assert (again.contracts, again.parties) == (first.contracts, first.parties)


def test_version_1_1_has_the_start_under_its_right_name_too(engine, days, tmp_path):
    (chunk,) = build(engine, write(tmp_path, [account("1")]), schema_version="1.1")
    payload = json.loads(events(chunk)["1"][1])
    names = list(payload)
    assert names[2:4] == ["contactStartDateTime", "contractStartDateTime"]
    assert payload["contactStartDateTime"] == payload["contractStartDateTime"] == inserted("2018-03-24T06:56:45.000Z")
    first, _ = days
    inputs = after(tmp_path, first, write(tmp_path, [account("01", account_start_date=None)]))
    (gone,) = build(engine, inputs, day=NEXT, schema_version="1.1")
    payload = json.loads(events(gone)["01"][1])
    assert payload["contractStartDateTime"] == deleted("2018-03-24T06:56:45.000Z") == payload["contactStartDateTime"]
