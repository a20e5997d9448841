"""What is held back, from real files through real extracts and references."""

from datetime import UTC, date, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lumbung.catalog.contract import Catalog
from lumbung.core.errors import LumbungError
from lumbung.core.settings import Settings
from lumbung.pipeline import snapshot
from lumbung.pipeline.extract import extract
from lumbung.pipeline.references import make_version
from lumbung.pipeline.rejects import of_snapshots
from lumbung.sources import REJECT_SCHEMA
from lumbung.storage.lake import open_lake, sha256
from lumbung.systems.contract_events.generate import HEADERS
from lumbung.systems.contract_events.holds import SCHEMA, Holds, holds, write

DAY = date(2026, 11, 10)
SYSTEM = "contract_events"
ROWS = 100  # of each file: five rejects of it do not refuse the day
NOTHING = Holds(frozenset(), frozenset(), removals=False)

ACCOUNTS, PARTIES, ADDRESSES = HEADERS
HEADS = {name: f"{header}\n".encode() for name, header in HEADERS.items()}


def account(number, *, load_date="2026-11-10", active="1", started="2020-01-01", title="Title"):
    return f"{load_date},{active},A{number},COR,{started},{title},,,,B1,Indonesia"


def party(account, party, *, load_date="2026-11-10", started="2020-01-01T10:00"):
    return f"{load_date},{account},{party},F-N,{started}"


def address(party, *, load_date="2026-11-10", city="Bogor", started="2020-01-01"):
    return f"{load_date},{party},Jl. Mawar 1,,{city},16111,Indonesia,{started}"


GOOD = {
    ACCOUNTS: [account(number) for number in range(ROWS)],
    PARTIES: [party(f"A{number}", f"P{number}") for number in range(ROWS)],
    ADDRESSES: [address(f"P{number}") for number in range(ROWS)],
}


class Source:
    """The three files, and a lake."""

    def __init__(self, folder):
        self.folder = folder / "sources"
        self.folder.mkdir()
        self.lake = open_lake(Settings.of(home=folder))
        self.contracts = Catalog().sources(SYSTEM)

    def write(self, file, rows):
        lines = [row if isinstance(row, bytes) else row.encode() for row in rows]
        (self.folder / file).write_bytes(HEADS[file] + b"".join(line + b"\n" for line in lines))

    def take(self, file=ACCOUNTS, *more, instead=None):
        """The version of files with so many good rows, one of them with more rows, or with others in their place."""
        for name, rows in GOOD.items():
            changed = [rows[number] if (new := (instead or {}).get(number)) is None else new for number in range(ROWS)]
            self.write(name, [*changed, *more] if name == file else rows)
        return self.version()

    def version(self):
        for contract in self.contracts:
            extract(
                contract,
                DAY,
                lake=self.lake,
                data_source=self.folder,
                dsn=None,
                run_id="run",
                started_at=datetime.now(UTC),
                refresh=True,
            )
        return make_version(self.contracts, SYSTEM, DAY, self.lake, "run")

    def reasons(self, entity):
        """Of a source's rejects."""
        return [reason for name, _, reason in self.rejects() if name == entity]

    def rejects(self):
        """Source, line and reason of all rejects."""
        found = []
        for rejected in of_snapshots(self.lake, SYSTEM, DAY):
            with self.lake.local(rejected.file.path) as path:
                found += [(rejected.entity, row["line"], row["reason"]) for row in pq.read_table(path).to_pylist()]
        return sorted(found, key=str)


@pytest.fixture
def source(tmp_path):
    return Source(tmp_path)


def held(contracts=(), parties=(), *, removals=False):
    return Holds(frozenset(contracts), frozenset(parties), removals)


ACTIVE = "column active_ind: {!r} is not one of '0', '1'"
DATE = "column address_start_date: {!r} is not a day YYYY-MM-DD from year 0001 on"


@pytest.mark.parametrize(
    ("row", "expected", "reason"),
    [
        (account(7, title="Other"), held(["A7"]), "2 rows with the same account_id and different contents"),
        (account(7), NOTHING, "an identical repeat of line 9"),
        (account(7, load_date="2026-11-09"), NOTHING, "an identical repeat of line 9"),
        (account(7, load_date="unknown"), NOTHING, "an identical repeat of line 9"),
        (account(200, active="2"), held(["A200"]), ACTIVE.format("2")),
        (account(200, active="1 "), held(["A200"]), ACTIVE.format("1 ")),
        (account(200, active=""), held(["A200"]), "required column active_ind is null"),
        (account(200, started="2026-02-30"), held(["A200"]), "column account_start_date: '2026-02-30' is not a time"),
        (account(200, started="01/02/2026"), held(["A200"]), "column account_start_date: '01/02/2026' is not a time"),
        (account(200) + ",more", held(removals=True), "expected 11 columns, found 12"),
        ("A200", held(removals=True), "expected 11 columns, found 1"),
        (account(200, title='"Tit'), held(removals=True), "broken quote: it is opened and not closed"),
        (account(200).replace("A200", ""), held(removals=True), "key column account_id is null"),
        (account(200).replace("A200", " "), held(removals=True), "key column account_id is blank"),
        (account(200, title="T").encode().replace(b",T,", b",\xff,"), held(["A200"]), "byte 0xff at position 34"),
        (account(200).encode().replace(b"A200", b"A\xff"), held(removals=True), "byte 0xff at position 15"),
        # Its contract is not held by a row whose key differs from another's only in white space.
        (account(200, active="2").replace("A200", " A7"), held([" A7"]), ACTIVE.format("2")),
    ],
)
def test_a_rejected_account_holds_its_contract(source, row, expected, reason):
    version = source.take(ACCOUNTS, row)
    assert holds(source.lake, version) == expected
    assert source.reasons("account")[-1].startswith(reason)


@pytest.mark.parametrize(
    ("row", "expected", "reason"),
    [
        (party("A7", "P7", started="2021-01-01"), held(["A7"]), "2 rows with the same account_id, party_id and diff"),
        (party("A7", "P7", load_date="x"), NOTHING, "an identical repeat of line 9"),
        (party("A7", "P200", started="yesterday"), held(["A7"]), "column relation_start_date: 'yesterday' is not a ti"),
        (party("A7", ""), held(["A7"]), "key column party_id is null"),
        (party("", "P7"), held(removals=True), "key column account_id is null"),
        (party("\t", "P7", started="x"), held(removals=True), "key column account_id is blank"),
        ("2026-11-10,A7,P200,F-N", held(removals=True), "expected 5 columns, found 4"),
        (party("A7", "P\\").encode().replace(b"\\", b"\xe9"), held(["A7"]), "byte 0xe9 at position 16"),
        # An orphan.
        (party("A200", "P200"), NOTHING, "account_id A200 is not in account"),
        (party("a7", "P200"), NOTHING, "account_id a7 is not in account, which has A7: only the case differs"),
    ],
)
def test_a_rejected_party_holds_its_contract(source, row, expected, reason):
    version = source.take(PARTIES, row)
    assert holds(source.lake, version) == expected
    assert source.reasons("party")[-1].startswith(reason)


@pytest.mark.parametrize(
    ("row", "expected", "reason"),
    [
        (address("P7", city="Depok"), held(parties=["P7"]), "2 rows with the same party_id and different contents"),
        (address("P7", load_date=""), NOTHING, "an identical repeat of line 9"),
        (address("P200", started="2026-02-30"), held(parties=["P200"]), DATE.format("2026-02-30")),
        (address("P200", started="2026-02-01T00:00"), held(parties=["P200"]), DATE.format("2026-02-01T00:00")),
        (address(""), held(removals=True), "key column party_id is null"),
        (address("P200") + "\r,", held(removals=True), "lone carriage return"),
        # An orphan.
        (address("P200"), NOTHING, "party_id P200 is not in party"),
    ],
)
def test_a_rejected_address_holds_the_contracts_of_its_party(source, row, expected, reason):
    version = source.take(ADDRESSES, row)
    assert holds(source.lake, version) == expected
    assert source.reasons("party_address")[-1].startswith(reason)


def test_clean_files_hold_nothing(source):
    assert holds(source.lake, source.take()) == NOTHING
    assert source.rejects() == []


def test_what_only_refers_to_a_rejected_row_holds_nothing_more(source):
    """An account is rejected, so its party is an orphan, and so is the party's address."""
    version = source.take(ACCOUNTS, instead={7: account(7, active="x")})
    assert source.rejects() == [
        ("account", 9, ACTIVE.format("x")),
        ("party", None, "account_id A7 is not in account"),
        ("party_address", None, "party_id P7 is not in party"),
    ]
    assert holds(source.lake, version) == held(["A7"])


@pytest.mark.parametrize(
    ("row", "expected"), [(party("A7", "P7", started="x"), held(["A7"])), (party("", "P7"), held(removals=True))]
)
def test_the_address_of_a_rejected_party_is_an_orphan(source, row, expected):
    version = source.take(PARTIES, instead={7: row})
    assert source.rejects()[1:] == [("party_address", None, "party_id P7 is not in party")]
    assert holds(source.lake, version) == expected


def test_a_party_of_two_accounts_has_one_address(source):
    version = source.take(PARTIES, party("A8", "P7"))
    assert source.rejects() == []
    assert version.members["party_address"].file.rows == ROWS


def test_all_rejects_of_a_day_are_counted(source):
    source.write(
        ACCOUNTS, [*GOOD[ACCOUNTS], account(201, active="x"), account(202, active=""), account(202, active="")]
    )
    source.write(PARTIES, [*GOOD[PARTIES], party("A3", "P3", started="x"), party("A4", ""), "A5,"])
    source.write(ADDRESSES, [*GOOD[ADDRESSES], address("P3", city="Depok"), address("P201", started="x")])
    assert holds(source.lake, source.version()) == held(["A201", "A202", "A3", "A4"], ["P3", "P201"], removals=True)


def test_a_refresh_of_mended_files_holds_nothing_and_the_older_version_still_does(source):
    broken = source.take(ACCOUNTS, account(200, active="x"))
    mended = source.take()
    assert (holds(source.lake, mended), holds(source.lake, broken)) == (NOTHING, held(["A200"]))


def test_rejects_of_an_earlier_release_have_no_key(source):
    version = source.take(ACCOUNTS, account(7))
    taken = snapshot.committed(source.lake, SYSTEM, "account", DAY, "")
    with source.lake.local(taken.rejects.path) as path:
        old = pq.read_table(path).select(REJECT_SCHEMA.names)
        pq.write_table(old, path)
        assert sha256(path) != taken.rejects.sha256
    assert holds(source.lake, version) == held(removals=True)


def test_a_snapshot_that_is_not_there_any_more_is_named(source):
    version = source.take()
    path = f"raw/contract_events/party/dt={DAY}/manifest-000001.json"
    source.lake.delete(path)
    with pytest.raises(LumbungError, match=rf"{path}.*the snapshot is not in the lake any more. Run the day again"):
        holds(source.lake, version)


def test_holds_are_written_for_spark(tmp_path):
    write(Holds(frozenset({"A2", "A10"}), frozenset({"P1"}), removals=True), tmp_path / "holds.parquet")
    written = pq.read_table(tmp_path / "holds.parquet")
    assert written.schema == SCHEMA == pa.schema([("contract_id", pa.string()), ("party_id", pa.string())])
    assert [tuple(row.values()) for row in written.to_pylist()] == [("A10", None), ("A2", None), (None, "P1")]
    write(NOTHING, tmp_path / "none.parquet")
    assert (pq.read_table(tmp_path / "none.parquet").num_rows, pq.read_schema(tmp_path / "none.parquet")) == (0, SCHEMA)
