"""Synthetic sources: the same bytes for a seed, no reject, and what changes from day to day."""

import csv
import hashlib
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from lumbung.catalog.contract import Catalog
from lumbung.core.errors import LumbungError
from lumbung.core.settings import Settings
from lumbung.pipeline.extract import extract
from lumbung.pipeline.references import make_version
from lumbung.storage.lake import open_lake
from lumbung.systems.contract_events import generate as module
from lumbung.systems.contract_events.generate import HEADERS, generate

SAMPLE = Path(__file__).parents[4] / "data-source" / "contract-events"
ACCOUNTS, PARTIES, ADDRESSES = HEADERS


def table(folder, name):
    with (folder / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def contracts(folder):
    """Each contract with all that its events tell, by id."""
    addresses = {row["party_id"]: row for row in table(folder, ADDRESSES)}
    found = {row["account_id"]: [row, {}] for row in table(folder, ACCOUNTS)}
    for row in table(folder, PARTIES):
        found[row["account_id"]][1][row["party_id"]] = row, addresses.get(row["party_id"])
    for account, parties in found.values():
        for part in (account, *(part for pair in parties.values() for part in pair if part)):
            part.pop("load_date", None)
    return found


def digests(folder):
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in HEADERS}


def test_the_sample_is_what_is_generated_and_has_the_cases_it_is_for(tmp_path):
    rows = generate(tmp_path, contracts=60)
    assert digests(SAMPLE) == digests(tmp_path)
    assert rows == {name: len(table(SAMPLE, name)) for name in HEADERS}
    for name, header in HEADERS.items():
        assert (SAMPLE / name).read_text().splitlines()[0] == header
    accounts, parties = table(SAMPLE, ACCOUNTS), table(SAMPLE, PARTIES)
    addresses = {row["party_id"]: row for row in table(SAMPLE, ADDRESSES)}
    of_account, of_party = (Counter(row[key] for row in parties) for key in ("account_id", "party_id"))
    assert {row["active_ind"] for row in accounts} == {"0", "1"}
    assert {0, 1, 2, 3} <= {of_account[row["account_id"]] for row in accounts}
    assert max(of_party.values()) == 2  # a party of two contracts
    assert set(of_party) - set(addresses)  # without an address
    for column in ("legal_title_1", "legal_title_2", "tax_id"):
        assert "" in {row[column] for row in accounts}
    assert len({bool(row["address_line_2"]) for row in addresses.values()}) == 2
    spellings = ("2026-01-01 10:00:00", "2026-01-01T10:00:00.000Z", "2026-01-01T10:00:00.000+07:00")
    assert {len(row["account_start_date"]) for row in accounts} == {len(text) for text in spellings}
    assert {row["country"] for row in accounts} > {"Indonesia", "United States"}


@pytest.mark.parametrize("step", [0, 40])
def test_no_row_is_rejected(tmp_path, step):
    rows = generate(tmp_path / "sources", contracts=3_000, seed=5, step=step)
    lake, day = open_lake(Settings.of(home=tmp_path)), date(2026, 11, 10)
    sources = Catalog().sources("contract_events")
    for contract in sources:
        now = datetime.now(UTC)
        extract(contract, day, lake=lake, data_source=tmp_path / "sources", dsn=None, run_id="run", started_at=now)
    members = make_version(sources, "contract_events", day, lake, "run").members
    assert {name: (member.rows_read, member.rows_rejected) for name, member in members.items()} == {
        "account": (rows[ACCOUNTS], 0),
        "party": (rows[PARTIES], 0),
        "party_address": (rows[ADDRESSES], 0),
    }


def test_a_seed_gives_the_same_bytes(tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        generate(tmp_path / name, contracts=300, seed=seed, step=4)
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    assert not set(digests(tmp_path / "a").values()) & set(digests(tmp_path / "c").values())


def test_from_day_to_day_about_one_percent_changes_in_every_way(tmp_path):
    states = []
    for step in (20, 21):
        generate(tmp_path / f"{step}", contracts=20_000, seed=2, step=step)
        states.append(contracts(tmp_path / f"{step}"))
        assert {row["load_date"] for row in table(tmp_path / f"{step}", ACCOUNTS)} == {f"2026-11-{step + 1}"}
    before, after = states
    changed = [key for key in before.keys() & after.keys() if before[key] != after[key]]
    assert len(after.keys() - before.keys()) == 20
    assert 0.007 < (len(changed) + len(before.keys() ^ after.keys())) / len(before) < 0.013
    seen = Counter()
    for key in changed:
        (account, parties), (new_account, new_parties) = before[key], after[key]
        seen.update(column for column in account if account[column] != new_account[column])
        seen.update({"party added": len(new_parties.keys() - parties.keys())})
        seen.update({"party removed": len(parties.keys() - new_parties.keys())})
        for party in parties.keys() & new_parties.keys():
            (relation, address), (new_relation, new_address) = parties[party], new_parties[party]
            seen["party changed"] += relation != new_relation
            seen["address changed"] += bool(address and new_address and address != new_address)
            seen["address removed"] += bool(address and not new_address)
    kinds = ["active_ind", "legal_title_1", "legal_title_2", "branch_code", "party added", "party removed"]
    assert all(seen[kind] for kind in [*kinds, "party changed", "address changed", "address removed"]), seen
    assert before.keys() - after.keys()  # gone
    assert not seen["account_id"] + seen["tax_id"]


def test_nobody_who_is_gone_comes_back(tmp_path):
    there = []
    for step in (0, 30, 60):
        generate(tmp_path, contracts=1_000, seed=8, step=step)
        there.append(contracts(tmp_path).keys())
    first, second, third = there
    assert first - second
    assert third & first <= second


def test_progress_is_reported(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 100)
    reports = []
    generate(tmp_path, contracts=250, progress=lambda *report: reports.append(report))
    assert reports == [(ACCOUNTS, 100, 250), (ACCOUNTS, 200, 250), (ACCOUNTS, 250, 250)]


@pytest.mark.parametrize(("contracts", "step"), [(0, 0), (-1, 0), (1, -1), (200_000_001, 0), (199_999_999, 1)])
def test_numbers_out_of_range_are_refused(tmp_path, contracts, step):
    with pytest.raises(LumbungError, match="Ask for 1 to 200,000,000 contracts"):
        generate(tmp_path / "x", contracts=contracts, step=step)
    assert not (tmp_path / "x").exists()


def test_other_files_are_not_touched(tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(LumbungError, match=r"the folder holds other files: mine\.txt"):
        generate(tmp_path, contracts=1)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(LumbungError, match="the sources cannot be written"):
        generate(tmp_path / "file", contracts=1)


def test_what_stops_half_way_leaves_what_was_there(tmp_path, monkeypatch):
    generate(tmp_path, contracts=250)
    before = digests(tmp_path)
    monkeypatch.setattr(module, "BLOCK", 100)

    def stop(_file, done, _total):
        if done == 200:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate(tmp_path, contracts=250, seed=9, progress=stop)
    assert digests(tmp_path) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(HEADERS)
