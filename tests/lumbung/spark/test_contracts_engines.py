"""Contract events of hostile rows: the same bytes from Sail and from a JVM, of rows in any order, of any ranges."""

import json
import random
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from support.contract_tables import NEXT, TIMES, account, after, build, changed, events, hostile, party, write

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


def test_a_moment_without_a_zone_is_jakarta_s_and_is_cut_to_milliseconds(engine, tmp_path):
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
