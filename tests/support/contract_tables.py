"""Synthetic accounts, parties and addresses as snapshots hold them, and what Spark makes of them."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from lumbung.spark import contracts

DAY = date(2026, 11, 27)
NEXT = date(2026, 11, 28)
ALL = [(None, None)]

ACCOUNT = {
    "load_date": "2026-11-27",
    "active_ind": "1",
    "account_id": "1",
    "source_sys": "COR",
    "account_start_date": "2018-03-24 13:56:45.000",
    "legal_title_1": "Siti Wijaya",
    "legal_title_2": None,
    "tax_id_type": "NPWP",
    "tax_id": "900-1",
    "branch_code": "JKT01",
    "country": "Indonesia",
}
PARTY = {
    "load_date": "2026-11-27",
    "account_id": "1",
    "party_id": "p1",
    "relation_type": "F-N",
    "relation_start_date": "2019-07-29T06:21:32Z",
}
ADDRESS = {
    "load_date": "2026-11-27",
    "party_id": "p1",
    "address_line_1": "Jalan Melati 1",
    "address_line_2": None,
    "city": "Bandung",
    "postal_code": "04011",
    "country_of_address": "Indonesia",
    "address_start_date": "2019-02-26",
}


def account(account_id, **values):
    return {**ACCOUNT, "account_id": account_id, **values}


def party(account_id, party_id, **values):
    return {**PARTY, "account_id": account_id, "party_id": party_id, **values}


def address(party_id, **values):
    return {**ADDRESS, "party_id": party_id, **values}


def write(folder, accounts=(), parties=(), addresses=(), holds=None):
    """Write tables; gives them as the inputs of a first day. `holds`: pairs of a contract's and a party's id."""
    folder.mkdir(parents=True, exist_ok=True)

    def file(name, rows, columns):
        schema = pa.schema([(column, pa.string()) for column in columns])
        pq.write_table(pa.Table.from_pylist(list(rows), schema), folder / f"{name}.parquet")
        return [str(folder / f"{name}.parquet")]

    pairs = [dict(zip(("contract_id", "party_id"), pair, strict=True)) for pair in holds or ()]
    return contracts.Inputs(
        accounts=file("accounts", accounts, ACCOUNT),
        parties=file("parties", parties, PARTY),
        addresses=file("addresses", addresses, ADDRESS),
        contracts=[],
        contract_parties=[],
        holds=[] if holds is None else file("holds", pairs, ("contract_id", "party_id")),
    )


def build(session, inputs, *, day=DAY, schema_version="1.0", holds_removals=False, ranges=ALL):
    return list(
        contracts.build(
            session, inputs, day=day, schema_version=schema_version, holds_removals=holds_removals, ranges=ranges
        )
    )


def after(folder, chunk, inputs):
    """The inputs of the next day, where a chunk is what was sent."""
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(chunk.contracts, folder / "sent-contracts.parquet")
    pq.write_table(chunk.parties, folder / "sent-parties.parquet")
    sent = {"contracts": ["sent-contracts.parquet"], "contract_parties": ["sent-parties.parquet"]}
    return replace(inputs, **{name: [str(Path(folder) / file) for file in files] for name, files in sent.items()})


def events(chunk):
    """Operation and payload by contract."""
    return {row["contract_id"]: (row["operation"], row["payload"]) for row in chunk.events.to_pylist()}


TEXTS = (
    *('"', "\\", '\\"', "\\u001f", "\\\\u001F", "/", "</b>", "'", ",", "{}", "[]", ":", "null", "%", "$1", "\\1"),
    *(chr(code) for code in range(1, 32)),
    *(
        "\x7f",
        "\x85",
        "\xa0",
        "\u2028",
        "\u2029",
        "\ufeff",
        "\ud7ff",
        "\ue000",
        "\uffff",
        "é",
        "e\u0301",
        "ß",
        "İ",
        "漢",
    ),
    *("😀", "👩‍👩‍👧", "🇮🇩", "\U0010ffff", "𝗦", "مرحبا", "\u202e", " ", "  ", "\t", "\u3000", "Budi", "Siti"),
)
TIMES = (
    *("2024-02-29", "2024-02-29 10:11", "2024-02-29T10:11", "2024-02-29T10:11:12", "2024-02-29 10:11:12.1"),
    *("2024-02-29 10:11:12.123999", "2024-02-29 10:11:12.123456789", "2024-02-29T10:11Z", "2024-02-29T10:11-03:30"),
    *("2024-02-29T10:11:12.9999Z", "2024-02-29 10:11:12.5+14:00", "2024-02-29 10:11:12.05-11:45", "1970-01-01T00:00Z"),
    *("1969-12-31T23:59:59.9999Z", "1965-03-04 05:06:07.1239", "1500-02-28 12:00", "1582-10-10T01:02:03.456789"),
    *("1899-12-31 00:00", "1867-08-10", "1923-12-31 23:59:59.999", "1924-01-01 00:05", "1932-11-01 00:05"),
    *("1942-03-23 00:30", "1945-09-22 22:45", "1945-09-23 00:00", "1948-05-01 00:10", "1950-04-30 23:45"),
    *("1963-12-31 23:45", "1964-01-01 00:00", "9999-12-31", "9999-12-31T23:59:59.999999Z", "0001-01-02"),
    *("1883-11-18 12:00", "2038-01-19T03:14:08Z", "2262-04-12 00:00", "2300-01-01T00:00:00+07:00"),
)
DATES = ("2024-02-29", "1970-01-01", "1969-12-31", "1500-02-28", "1582-10-10", "0001-01-01", "9999-12-31")
IDS = (
    "0{}",
    "00{}",
    "{}",
    "-{}",
    "{}e5",
    "{} ",
    " {}",
    '"{}"',
    "\\{}",
    "ü{}",
    "😀{}",
    "\uffff{}",
    "{}\x01",
    "A{}",
    "a{}",
)


def hostile(dice, count, first=0):
    """Accounts, parties and addresses of texts that engines may read, sort or spell otherwise; rows in any order.

    Some parties are of two accounts, some have no address. The ids have numbers from `first` on.
    """

    def text():
        if dice.random() < 0.1:
            return None
        parts = [dice.choice(TEXTS) for _ in range(dice.choice((1, 2, 5, 5, 300 if dice.random() < 0.02 else 3)))]
        return "".join(parts)

    def maybe(values):
        return None if dice.random() < 0.05 else dice.choice(values)

    accounts, parties, addresses = [], [], []
    for number in range(first, first + count):
        account_id = dice.choice(IDS).format(number)
        accounts.append(
            account(
                account_id,
                active_ind="0" if dice.random() < 0.1 else "1",
                account_start_date=maybe(TIMES),
                **{name: text() for name in ("source_sys", "legal_title_1", "legal_title_2", "tax_id_type", "tax_id")},
                **{name: text() for name in ("branch_code", "country")},
            )
        )
        for place in dice.sample(range(4), dice.randrange(4)):
            party_id = dice.choice(IDS).format(number * 4 + place)
            started = maybe(TIMES)
            parties.append(party(account_id, party_id, relation_type=text(), relation_start_date=started))
            if dice.random() < 0.9:
                texts = {name: text() for name in ADDRESS if name.startswith(("address_line", "c", "postal"))}
                addresses.append(address(party_id, **texts, address_start_date=maybe(DATES)))
    other = accounts[0]["account_id"]
    shared = [relation for relation in dice.sample(parties, len(parties) // 20) if relation["account_id"] != other]
    parties += [{**relation, "account_id": other, "relation_type": text()} for relation in shared]
    return tuple(dice.sample(rows, len(rows)) for rows in (accounts, parties, addresses))


def changed(dice, tables):
    """The same a day later: some rows are gone, some have another value; there is a little of everything."""
    other, _, _ = hostile(dice, 50, first=1_000_000)

    def later(rows, keys):
        for row in rows:
            chance = dice.random()
            if chance < 0.05:
                continue
            if chance < 0.3:
                name = dice.choice([name for name in row if name not in keys])
                values = {"active_ind": ("0", "1"), "address_start_date": DATES}.get(name, TEXTS)
                row = {
                    **row,
                    name: dice.choice(TIMES if name.endswith("_start_date") and "address" not in name else values),
                }
            yield row

    accounts, parties, addresses = tables
    return (
        [*later(accounts, ("account_id",)), *other],
        list(later(parties, ("account_id", "party_id"))),
        list(later(addresses, ("party_id",))),
    )
