"""What changed in contracts: by frames given and expected, what is held, and the same bytes from each engine."""

import json
import random
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from chispa import assert_df_equality

from lumbung.spark import contracts, leaves
from support.contract_tables import (
    ACCOUNT,
    DAY,
    NEXT,
    TIMES,
    account,
    address,
    after,
    build,
    changed,
    events,
    hostile,
    party,
    write,
)

BEGAN = datetime(2018, 3, 24, 6, 56, 45)  # noqa: DTZ001 - a frame's timestamps have no zone where it is collected
JOINED = datetime(2019, 7, 29, 6, 21, 32)  # noqa: DTZ001
CONTRACT_ROW = "contract_id string, operation string, payload string"
EQUAL = {"ignore_row_order": True, "ignore_nullable": True}


@pytest.fixture
def changes(engine, tmp_path):
    """The frames of a day's tables, after those of the day before if there are any."""

    def frames(tables, before=None, **options):
        inputs = write(tmp_path / "tables", *tables)
        if before:
            (sent,) = build(engine, write(tmp_path / "before", *before))
            inputs = after(tmp_path, sent, inputs)
        options = {"day": NEXT, "schema_version": "1.0", "holds_removals": False, **options}
        return contracts.changes(engine, inputs, **options)

    return frames


def test_texts_become_timestamps(engine):
    given = engine.createDataFrame(
        [
            ("2018-03-24 13:56:45.0009",),
            ("2018-03-24T06:56:45Z",),
            ("2018-03-24 13:56+07:00",),
            ("2018-03-24",),
            (None,),
        ],
        "text string",
    )
    expected = engine.createDataFrame(
        [
            ("2018-03-24 13:56:45.0009", BEGAN.replace(tzinfo=UTC)),
            ("2018-03-24T06:56:45Z", BEGAN.replace(tzinfo=UTC)),
            ("2018-03-24 13:56+07:00", BEGAN.replace(second=0, tzinfo=UTC)),
            ("2018-03-24", datetime(2018, 3, 23, 17, tzinfo=UTC)),
            (None, None),
        ],
        "text string, instant timestamp",
    )
    assert_df_equality(given.withColumn("instant", leaves.instant("text")), expected, **EQUAL)


def test_events_are_of_contracts_that_differ(engine, changes):
    before = [account("1"), account("2"), account("3"), account("4"), account("5", active_ind="0")], [], []
    accounts = [
        account("1", load_date="2026-11-28", account_start_date="2018-03-24T06:56:45.0004Z"),
        account("2", branch_code=None),
        account("3", active_ind="0"),
        account("5", active_ind="0", country="Malaysia"),
    ]
    expected = engine.createDataFrame(
        [
            (
                "2",
                "UPDATE",
                '{"contractIdentifier":{"operation":"UPDATE","newValue":"2"},'
                '"contractBranchCode":{"operation":"DELETE","oldValue":"JKT01"}}',
            ),
            ("3", "DELETE", '{"contractIdentifier":{"operation":"DELETE","oldValue":"3"}}'),
            ("4", "DELETE", '{"contractIdentifier":{"operation":"DELETE","oldValue":"4"}}'),
        ],
        CONTRACT_ROW,
    )
    assert_df_equality(changes((accounts, [], []), before).events, expected, **EQUAL)


def test_contracts_are_the_active_accounts_and_their_days(engine, changes):
    accounts = [account("1"), account("2", country="Malaysia"), account("3"), account("4", active_ind="0")]
    frames = changes((accounts, [], []), ([account("1"), account("2"), account("4")], [], []))
    values = ("COR", BEGAN.replace(tzinfo=UTC), "Siti Wijaya", None, "NPWP", "900-1", "JKT01")
    expected = engine.createDataFrame(
        [
            ("1", *values, "Indonesia", DAY, DAY, False),
            ("2", *values, "Malaysia", DAY, NEXT, False),
            ("3", *values, "Indonesia", NEXT, NEXT, False),
        ],
        "contract_id string, source_system string, contract_start_at timestamp, title_1 string, title_2 string,"
        " tax_id_type string, tax_id string, branch_code string, country string, first_sent_day date,"
        " last_sent_day date, is_held boolean",
    )
    assert_df_equality(frames.contracts, expected, **EQUAL)


def test_parties_are_those_of_active_accounts_with_their_addresses(engine, changes):
    accounts = [account("1"), account("2"), account("3", active_ind="0")]
    parties = [party("1", "p"), party("2", "p", relation_type=None), party("2", "q"), party("3", "p")]
    frames = changes((accounts, parties, [address("p", city=None), address("of no party")]))
    values = ("Jalan Melati 1", None, None, "04011", "Indonesia", date(2019, 2, 26))
    expected = engine.createDataFrame(
        [
            ("1", "p", "F-N", JOINED.replace(tzinfo=UTC), *values),
            ("2", "p", None, JOINED.replace(tzinfo=UTC), *values),
            ("2", "q", "F-N", JOINED.replace(tzinfo=UTC), *[None] * 6),
        ],
        "contract_id string, party_id string, relation_type string, relation_start_at timestamp, address_line_1 string,"
        " address_line_2 string, city string, postal_code string, country_of_address string, address_start_date date",
    )
    assert_df_equality(frames.parties, expected, **EQUAL)


def test_a_contract_without_any_value_says_its_id_and_no_parties(engine, changes):
    nothing = {name: None for name in ACCOUNT if name not in ("account_id", "active_ind")}
    expected = [("1", "INSERT", '{"contractIdentifier":{"operation":"INSERT","newValue":"1"},"partyRelations":[]}')]
    frames = changes(([account("1", **nothing)], [], []))
    assert_df_equality(frames.events, engine.createDataFrame(expected, CONTRACT_ROW), **EQUAL)


def test_a_range_has_its_contracts_only(changes):
    tables = [account(number) for number in ("0", "1", "10", "2")], [party("2", "p"), party("10", "p")], []
    frames = changes(tables, low="1", high="2")
    assert sorted(row.contract_id for row in frames.events.collect()) == ["1", "10"]
    assert [row.contract_id for row in frames.parties.collect()] == ["10"]


# What rejected rows hold: by the ids that they name, or all that is missing where they have none.

BEFORE = (
    [account(number) for number in "123456"],
    [party("1", "p"), party("2", "p"), party("3", "q"), party("4", "r"), party("5", "s")],
    [address("p"), address("r"), address("s")],
)


@pytest.fixture
def held(sail, tmp_path):
    """What a day gives after `BEFORE`, with holds."""

    def second(accounts, parties, addresses, holds, *, removals=False):
        (sent,) = build(sail, write(tmp_path / "before", *BEFORE))
        inputs = after(tmp_path, sent, write(tmp_path / "tables", accounts, parties, addresses, holds=holds))
        (chunk,) = build(sail, inputs, day=NEXT, holds_removals=removals)
        assert [row for row in chunk.contracts.to_pylist() if row["is_held"]] == [
            {**row, "is_held": True}
            for row in sent.contracts.to_pylist()
            if events(chunk).get(row["contract_id"], ("",))[0] == "HELD"
        ]
        return sent, chunk

    return second


def test_a_contract_with_a_rejected_row_stays_as_it_was_sent(held):
    accounts = [account(number, country="Malaysia") for number in "23456"]
    parties = [party("2", "p"), party("3", "q"), party("4", "r"), party("5", "s")]
    sent, chunk = held(accounts, parties, [address("r"), address("s")], [("1", None), (None, "p"), ("4", None)])
    made = {contract: operation for contract, (operation, _) in events(chunk).items()}
    # 1: its account is missing. 2: its party's address. 4: held by another row. p is 1's no longer.
    assert made == {"1": "HELD", "2": "HELD", "3": "UPDATE", "4": "HELD", "5": "UPDATE", "6": "UPDATE"}
    assert chunk.parties == sent.parties
    assert chunk.contracts["country"].to_pylist() == [
        "Indonesia" if number in "124" else "Malaysia" for number in "123456"
    ]


def test_only_a_contract_is_held(held):
    """An account that is new and rejected is one; one that is inactive and was never sent is not."""
    accounts = [*BEFORE[0], account("7", active_ind="0"), account("8"), account("9", active_ind="0")]
    parties = [*BEFORE[1], party("8", "t"), party("9", "u")]
    holds = [("7", None), (None, "t"), (None, "u"), ("new", None), (None, "of no account")]
    sent, chunk = held(accounts, parties, BEFORE[2], holds)
    assert events(chunk) == {"8": ("HELD", None), "new": ("HELD", None)}
    assert (chunk.contracts, chunk.parties) == (sent.contracts, sent.parties)


def test_removals_are_held_where_a_reject_has_no_id(held):
    accounts = [
        *(account("2", country="Malaysia"), account("3"), account("4", branch_code=None)),
        *(account("5", active_ind="0"), account("6", country="Malaysia"), account("7")),
    ]
    parties = [party("2", "p"), party("4", "r"), party("6", "v")]
    addresses = [address("r", city=None)]
    _, chunk = held(accounts, parties, addresses, [], removals=True)
    made = {contract: operation for contract, (operation, _) in events(chunk).items()}
    # 1: no account. 2: no address. 3: no party. 4: leaves without a value. 5: inactive. 6: more. 7: new.
    assert made == {
        **dict.fromkeys("123", "HELD"),
        "4": "UPDATE",
        "5": "DELETE",
        "6": "UPDATE",
        "7": "INSERT",
    }
    assert json.loads(events(chunk)["4"][1])["contractBranchCode"] == {"operation": "DELETE", "oldValue": "JKT01"}
    assert [(row["contract_id"], row["city"]) for row in chunk.parties.to_pylist()] == [
        *(("1", "Bandung"), ("2", "Bandung"), ("3", None), ("4", None), ("6", None))
    ]


def test_what_was_held_is_compared_with_what_was_sent(sail, held, tmp_path):
    moved = [account(number, country="Malaysia") for number in "123456"]
    _, chunk = held(moved, BEFORE[1], BEFORE[2], [(number, None) for number in "12345"])
    accounts = [account("1"), *moved[1:]]
    inputs = after(tmp_path, chunk, write(tmp_path / "third", accounts, *BEFORE[1:], holds=[]))
    (third,) = build(sail, inputs, day=date(2026, 11, 29))
    assert {contract: operation for contract, (operation, _) in events(third).items()} == dict.fromkeys(
        "2345", "UPDATE"
    )
    assert not any(third.contracts["is_held"].to_pylist())
    days = third.contracts["last_sent_day"].to_pylist()
    assert days == [DAY, *[date(2026, 11, 29)] * 4, NEXT]


# Hostile rows: the same bytes from Sail and from a JVM, of rows in any order, of any ranges.

COUNT = 3000
RANGES = [(None, "00"), ("00", "3"), ("3", "3"), ("3", "\U0001f600"), ("\U0001f600", None)]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A first day's tables and the next one's, the same in another order, and what may be held."""
    folder, dice = tmp_path_factory.mktemp("tables"), random.Random(1)
    first = hostile(dice, COUNT)
    second = changed(dice, first)
    holds = [
        *((row["account_id"], None) for row in dice.sample(first[0], 60)),
        *((None, row["party_id"]) for row in dice.sample(first[1], 60)),
        ("of no contract", None),
    ]
    shuffled = [dice.sample(rows, len(rows)) for rows in second]
    return (
        write(folder / "first", *first),
        write(folder / "second", *second, holds=holds),
        write(folder / "shuffled", *shuffled, holds=dice.sample(holds, len(holds))),
    )


def both_days(session, folder, first, second, **options):
    (sent,) = build(session, first)
    return sent, *build(session, after(folder, sent, second), day=NEXT, holds_removals=True, **options)


def joined(chunks, table):
    return [row for chunk in chunks for row in getattr(chunk, table).to_pylist()]


def test_both_engines_give_the_same_bytes_of_hostile_rows(sail, jvm, inputs, tmp_path):
    first, second, shuffled = inputs
    (sent, later), (other_sent, other_later) = (both_days(one, tmp_path, first, second) for one in (sail, jvm))
    assert sent == other_sent
    assert later == other_later
    operations = {operation for operation, _ in events(later).values()}
    assert operations == {"INSERT", "UPDATE", "DELETE", "HELD"}
    assert sum(payload is not None for chunk in (sent, later) for _, payload in events(chunk).values()) > COUNT
    # In another order, and by ranges: one without contracts, one that ends beyond the BMP.
    _, *by_ranges = both_days(sail, tmp_path, first, shuffled, ranges=RANGES)
    for table in ("events", "contracts", "parties"):
        assert joined(by_ranges, table) == getattr(later, table).to_pylist()


def test_payloads_are_compact_json_in_the_order_of_fields(sail, inputs):
    (chunk,) = build(sail, inputs[0])
    order = (
        *("contractIdentifier", "sourceSystemIdentifier", "contactStartDateTime", "contractTitle", "taxIdentifier"),
        *("contractBranchCode", "contractCountry", "partyRelations"),
    )
    for contract, (_, payload) in events(chunk).items():
        event = json.loads(payload)
        assert payload == json.dumps(event, ensure_ascii=False, separators=(",", ":"))
        assert event["contractIdentifier"]["newValue"] == contract
        assert list(event) == [name for name in order if name in event]
        parties = [party["partyIdentifier"]["newValue"] for party in event["partyRelations"]]
        assert parties == sorted(parties, key=str.encode)


def test_a_table_sorts_by_the_bytes_of_its_ids(sail, inputs):
    (chunk,) = build(sail, inputs[0])
    ids = [[row.encode() for row in table["contract_id"].to_pylist()] for table in (chunk.events, chunk.contracts)]
    assert ids == [sorted(column) for column in ids]
    keys = [(row["contract_id"].encode(), row["party_id"].encode()) for row in chunk.parties.to_pylist()]
    assert keys == sorted(keys)


def test_a_timestamp_without_a_zone_is_jakarta_s_and_is_truncated_to_milliseconds(engine, tmp_path):
    """As Python's zones have it, over all that Jakarta's clocks have shown."""
    texts = dict(enumerate(TIMES))
    accounts = [account(f"{number}", account_start_date=text) for number, text in texts.items()]
    parties = [party("0", f"{number}", relation_start_date=text) for number, text in texts.items()]
    (chunk,) = build(engine, write(tmp_path, accounts, parties))

    def moment(text):
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=ZoneInfo("Asia/Jakarta"))
        epoch = datetime(1970, 1, 1, tzinfo=ZoneInfo("UTC"))
        return epoch + (moment - epoch) // timedelta(milliseconds=1) * timedelta(milliseconds=1)

    expected = {f"{number}": moment(text) for number, text in texts.items()}
    rows = chunk.contracts.to_pylist()
    assert {row["contract_id"]: row["contract_start_at"] for row in rows} == expected
    assert {row["party_id"]: row["relation_start_at"] for row in chunk.parties.to_pylist()} == expected
    for contract, (_, payload) in events(chunk).items():
        spelled = f"{expected[contract].replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"
        assert json.loads(payload)["contactStartDateTime"]["newValue"] == spelled
