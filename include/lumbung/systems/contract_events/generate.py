"""Synthetic accounts, parties and addresses of any number of contracts, and what became of them some days later.

Each contract's values are drawn, by a hash of the seed and the contract's number, from pools that Faker fills. So is
what changes on each day: a state depends on the seed and the step alone, not on files, and memory stays flat.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from lumbung.core.errors import LumbungError
from lumbung.sources.synthetic import replaced

Array = NDArray[Any]

HEADERS = {
    "accounts.csv": "load_date,active_ind,account_id,source_sys,account_start_date,legal_title_1,legal_title_2,"
    "tax_id_type,tax_id,branch_code,country",
    "parties.csv": "load_date,account_id,party_id,relation_type,relation_start_date",
    "party_address.csv": "load_date,party_id,address_line_1,address_line_2,city,postal_code,country_of_address,"
    "address_start_date",
}
FIRST_DAY = date(2026, 11, 1)
"""The load_date of step 0."""

BLOCK = 10_000  # contracts
SLOTS = 4  # parties that a contract may have
MOST_CONTRACTS = 200_000_000  # whose parties have ids of ten digits
POOL = 4_000  # texts of a kind, at most
CHANGED = 0.009  # of the contracts, in a step
NEW = 0.001  # of the first contracts, in a step
# What changes, and its odds.
KINDS = {
    "title": 20, "branch": 10, "party_changed": 20, "address": 15, "party_added": 10, "party_removed": 10,
    "inactive": 6, "gone": 5, "address_removed": 4,
}  # fmt: skip
RELATIONS = ["F-N", "F-S"]
SYSTEMS = ["COR", "COH", "ADS"]
ABROAD = ["United States", "Singapore", "Malaysia"]
SINCE = np.datetime64("2005-01-01T00:00:00.000")
DAYS = 7_900  # from then on something begins
BILLION, STRIDE = np.uint64(10**9), np.uint64(3**18)  # without a common divisor
FIRST_IDS = {"account": np.uint64(6_000_000_000), "party": np.uint64(9_000_000_000)}


def generate(
    folder: Path,
    *,
    contracts: int,
    seed: int = 1,
    step: int = 0,
    progress: Callable[[str, int, int], None] | None = None,
) -> dict[str, int]:
    """Write the three files without a row that would be rejected.

    All files are written under temporary names first, so a killed run leaves what was there.

    Args:
        folder: where; made if it is not there. It may hold these three files, which are replaced, and no other.
        contracts: how many accounts there are on the first day, active or not.
        seed: the same seed, number and step give the same bytes, with the same release of Faker.
        step: so many days later; from each day to the next, about 1 % of the contracts change, come or go.
        progress: is given the file of accounts, the accounts written so far, and all accounts.

    Returns:
        Rows by file name.

    Raises:
        LumbungError: the folder holds other files or cannot be written, or a number is out of range.
    """
    new = max(1, round(contracts * NEW))
    if contracts < 1 or step < 0 or contracts + step * new > MOST_CONTRACTS:
        raise LumbungError(
            f"{contracts} contracts, {step} days later",
            where="generate",
            remedy=f"ask for 1 to {MOST_CONTRACTS:,} contracts in all, and for 0 days or more",
        )
    with replaced(folder, HEADERS, room="400 bytes a contract") as parts:
        return _write(parts, contracts, new, seed, step, progress or (lambda _file, _done, _total: None))


def _write(
    parts: dict[str, Path],
    contracts: int,
    new: int,
    seed: int,
    step: int,
    progress: Callable[[str, int, int], None],
) -> dict[str, int]:
    rows = dict.fromkeys(parts, 0)
    total = contracts + step * new
    pools = _Pools.of(seed)
    with ExitStack() as stack:
        files: dict[str, IO[str]] = {
            name: stack.enter_context(part.open("w", encoding="utf-8", newline="")) for name, part in parts.items()
        }
        for name, file in files.items():
            file.write(f"{HEADERS[name]}\n")
        for start in range(0, total, BLOCK):
            numbers = np.arange(start, min(start + BLOCK, total), dtype=np.uint64)
            born = np.maximum((numbers.astype(np.int64) - contracts) // new + 1, 0)
            block = _Block(numbers, born, seed)
            for day in range(1, step + 1):
                block.change(day)
            for name, lines in zip(parts, block.lines(pools, step), strict=True):
                written = [f"{line}\n" for line in lines]
                files[name].writelines(written)
                rows[name] += len(written)
            progress("accounts.csv", int(numbers[-1]) + 1, total)
    return rows


@dataclass(frozen=True)
class _Pools:
    """What texts are drawn from; each is written as a CSV value. The first of each pair are Indonesian."""

    names: tuple[Array, Array]
    streets: tuple[Array, Array]
    units: tuple[Array, Array]
    cities: tuple[Array, Array]
    codes: Array
    branches: Array

    @classmethod
    def of(cls, seed: int) -> _Pools:
        """Let Faker fill them."""
        from faker import Faker  # heavy

        indonesian, american = Faker("id_ID"), Faker("en_US")
        for number, faker in enumerate((indonesian, american)):
            faker.seed_instance(2 * seed + number)

        def pool(make: Callable[[], str], size: int = POOL) -> Array:
            return np.array([_value(make()) for _ in range(size)], object)

        def area() -> str:
            return f"RT {indonesian.random_int(1, 15):03}/RW {indonesian.random_int(1, 20):03}"

        return cls(
            names=(pool(indonesian.name), pool(american.name)),
            streets=(pool(indonesian.street_address), pool(american.street_address)),
            units=(pool(area, 300), pool(american.secondary_address, 300)),
            cities=(pool(indonesian.city, 400), pool(american.city, 400)),
            codes=pool(indonesian.postcode),
            branches=pool(lambda: indonesian.swift(length=8), 200),
        )


def _value(text: str) -> str:
    """A text as a value of a CSV file."""
    return f'"{text.replace('"', '""')}"' if any(mark in text for mark in ',"\r\n') else text


class _Block:
    """Some contracts, at first as they began; `change` lets a day go by.

    Attributes:
        numbers: theirs, from 0, without a gap.
        born: the day from which each is there.
    """

    def __init__(self, numbers: Array, born: Array, seed: int) -> None:
        self.numbers, self.born, self.seed, size = numbers, born, seed, len(numbers)
        self.slots = numbers[:, None] * np.uint64(SLOTS) + np.arange(SLOTS, dtype=np.uint64)
        count = np.searchsorted([0.05, 0.6, 0.9, 0.98], self._share("parties", numbers), side="right")
        self.has_party = np.arange(SLOTS) < count[:, None]
        self.has_address = self._share("has address", self.slots) >= 0.05
        self.is_gone = np.zeros(size, bool)
        self.is_active = self._share("active", numbers) >= 0.08
        # How often each was changed.
        self.title, self.branch = (np.zeros(size, np.uint64) for _ in range(2))
        self.relation, self.address = (np.zeros((size, SLOTS), np.uint64) for _ in range(2))
        # The second party of some contracts is the first one of the contract before.
        self.shares = (self._share("shares", numbers) < 0.05) & (np.arange(size) > 0)

    def change(self, day: int) -> None:
        """What happens on a day, from 1."""
        exists = (self.born < day) & ~self.is_gone
        places = np.flatnonzero(exists & (self._share("change", self.numbers, day) < CHANGED))
        kinds, odds = list(KINDS), np.cumsum(list(KINDS.values()))
        drawn = np.searchsorted(odds, self._share("kind", self.numbers[places], day) * odds[-1], side="right")
        for place, kind in zip(places.tolist(), drawn.tolist(), strict=True):
            self._apply(kinds[kind], place)

    def _apply(self, kind: str, place: int) -> None:
        """Let a contract change; its title does where the kind does not apply."""
        has_party, has_address = self.has_party[place], self.has_party[place, 0] and self.has_address[place, 0]
        if kind == "gone":
            self.is_gone[place] = True
        elif kind == "inactive":
            self.is_active[place] ^= True
        elif kind == "branch":
            self.branch[place] += np.uint64(1)
        elif kind == "party_added" and not has_party.all():
            has_party[np.argmin(has_party)] = True
        elif kind == "party_removed" and has_party.any():
            has_party[SLOTS - 1 - np.argmax(has_party[::-1])] = False
        elif kind == "party_changed" and has_party[0]:
            self.relation[place, 0] += np.uint64(1)
        elif kind == "address" and has_address:
            self.address[place, 0] += np.uint64(1)
        elif kind == "address_removed" and has_address:
            self.has_address[place, 0] = False
        else:
            self.title[place] += np.uint64(1)

    def lines(self, pools: _Pools, day: int) -> tuple[Iterator[str], Iterator[str], Iterator[str]]:
        """The lines of the three files on a day."""
        load_date = f"{FIRST_DAY + timedelta(days=day)}"
        exists = (self.born <= day) & ~self.is_gone
        parties = self.slots.copy()
        parties[self.shares, 1] -= np.uint64(SLOTS + 1)
        has_party = self.has_party & exists[:, None]
        # An address belongs to a party, which may be there by its second contract only.
        with_relation = has_party.copy()
        with_relation[self.shares, 1] = False
        with_relation[:-1, 0] |= (self.shares & has_party[:, 1])[1:]
        return (
            self._accounts(pools, load_date, np.flatnonzero(exists)),
            self._parties(load_date, np.nonzero(has_party), parties),
            self._addresses(pools, load_date, np.nonzero(with_relation & self.has_address)),
        )

    def _accounts(self, pools: _Pools, load_date: str, places: Array) -> Iterator[str]:
        numbers, title = self.numbers[places], self.title[places]
        abroad = self._is_abroad(numbers)
        tax = self._hash("tax", numbers)
        tax_ids = (
            ("EIN", f"{value % 100:02}-{value // 100 % 10**7:07}") if is_abroad else ("NPWP", f"{value % 10**16:016}")
            for value, is_abroad in zip(tax.tolist(), abroad.tolist(), strict=True)
        )
        has_tax = self._share("has tax", numbers) >= 0.05
        countries = np.where(abroad, self._pick("country", numbers, ABROAD), "Indonesia")
        columns = (
            np.where(self.is_active[places], "1", "0"),
            self._ids("account", numbers),
            self._pick("system", numbers, SYSTEMS),
            self._timestamps("started", numbers),
            self._some_empty(
                0.01, "no title 1", numbers, self._either("title 1", pools.names, abroad, numbers, title), title
            ),
            self._some_empty(
                0.6, "no title 2", numbers, self._either("title 2", pools.names, abroad, numbers, title), title
            ),
            np.array([",".join(tax_id) for tax_id in tax_ids], object),
            self._pick("branch", numbers, pools.branches, self.branch[places]),
            countries,
        )
        columns[6][~has_tax] = ","
        return _lines(load_date, columns)

    def _parties(self, load_date: str, places: tuple[Array, ...], parties: Array) -> Iterator[str]:
        slots, changed = self.slots[places], self.relation[places]
        columns = (
            self._ids("account", self.numbers[places[0]]),
            self._ids("party", parties[places]),
            self._pick("relation", slots, RELATIONS, changed),
            self._timestamps("related", slots, changed),
        )
        return _lines(load_date, columns)

    def _addresses(self, pools: _Pools, load_date: str, places: tuple[Array, ...]) -> Iterator[str]:
        slots, changed = self.slots[places], self.address[places]
        abroad = self._is_abroad(self.numbers[places[0]])
        days = self._hash("moved", slots, changed) % np.uint64(DAYS)
        columns = (
            self._ids("party", slots),
            self._either("street", pools.streets, abroad, slots, changed),
            self._some_empty(0.6, "no unit", slots, self._either("unit", pools.units, abroad, slots, changed), changed),
            self._either("city", pools.cities, abroad, slots, changed),
            self._some_empty(0.02, "no code", slots, self._pick("code", slots, pools.codes, changed), changed),
            np.where(abroad, self._pick("country", self.numbers[places[0]], ABROAD), "Indonesia"),
            np.datetime_as_string(SINCE.astype("datetime64[D]") + days.astype("timedelta64[D]")),
        )
        return _lines(load_date, columns)

    def _timestamps(self, name: str, ids: Array, version: Array | int = 0) -> Array:
        """Times of the past in the spellings that come: with their zone, in UTC, and without one."""
        times = SINCE + (self._hash(name, ids, version) % np.uint64(DAYS * 86_400_000)).astype("timedelta64[ms]")
        texts: Array = np.datetime_as_string(times).astype(object)
        spelling = self._share("spelling", ids)
        whole = spelling >= 0.9
        texts[whole] = [text[:19].replace("T", " ") for text in texts[whole].tolist()]
        texts[~whole] += np.where(spelling[~whole] < 0.8, "+07:00", "Z").astype(object)
        return texts

    def _is_abroad(self, numbers: Array) -> Array:
        return self._share("abroad", numbers) < 0.15

    def _either(self, name: str, pair: tuple[Array, Array], abroad: Array, ids: Array, version: Array | int) -> Array:
        indonesian, other = (self._pick(name, ids, pool, version) for pool in pair)
        return np.where(abroad, other, indonesian)

    def _pick(self, name: str, ids: Array, pool: Array | list[str], version: Array | int = 0) -> Array:
        texts = np.array(pool, object)
        return texts[(self._hash(name, ids, version) % np.uint64(len(texts))).astype(np.intp)]

    def _some_empty(self, share: float, name: str, ids: Array, texts: Array, version: Array | int = 0) -> Array:
        """The texts, a share of them empty."""
        return np.where(self._share(name, ids, version) < share, "", texts)

    def _ids(self, entity: str, numbers: Array) -> Array:
        """Ids of ten digits, one to one with numbers below 10^9, in no order that shows."""
        offset = self._hash(f"{entity} id", np.zeros(1, np.uint64)) % BILLION
        return FIRST_IDS[entity] + (numbers * STRIDE + offset) % BILLION

    def _share(self, name: str, ids: Array, version: Array | int = 0) -> Array:
        """Numbers from 0 to 1."""
        return (self._hash(name, ids, version) >> np.uint64(11)) * 2.0**-53

    def _hash(self, name: str, ids: Array, version: Array | int = 0) -> Array:
        """Independent numbers, by what they are for, the id and how often it was changed."""
        purpose = np.uint64(zlib.crc32(name.encode()) << 32 ^ self.seed % 2**32)
        return _mix(_mix(ids ^ _mix(np.array(purpose))) + np.asarray(version, np.uint64))


def _lines(load_date: str, columns: Sequence[Array]) -> Iterator[str]:
    return (f"{load_date},{','.join(map(str, row))}" for row in zip(*(c.tolist() for c in columns), strict=True))


def _mix(values: Array) -> Array:
    """The splitmix64 step: one to one on 64 bits."""
    with np.errstate(over="ignore"):
        values = values + np.uint64(0x9E3779B97F4A7C15)
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed: Array = values ^ (values >> np.uint64(31))
    return mixed
