"""A small source of each kind, filled with rows that a test gives."""

import csv
import io
import itertools
import json
import subprocess
from pathlib import Path
from typing import ClassVar

import xlsxwriter

from lumbung.catalog.contract import Catalog, Contract
from lumbung.sources import read

COLUMNS = [
    {"name": "id", "required": True, "description": "key"},
    {"name": "name", "required": True, "description": "required"},
    {"name": "city", "description": "nullable"},
    {"name": "snapshot_date", "type": "DATE", "required": True, "description": "partition"},
]
NAMES = ("id", "name", "city")


def write_headers(folder, system):
    """Write a system's CSV sources without rows."""
    folder.mkdir(parents=True)
    for contract in Catalog().sources(system):
        header = ",".join(column.source_name for column in contract.business_columns)
        (folder / contract.source.path).write_text(f"{header}\n")


def make_contract(kind, columns=COLUMNS, key=("id",), **source):
    """The contract of members: the file `member.<kind>`, its sheet `Members`, or the table `shop.member`."""
    if kind == "postgres":
        source = {"connection": "shop", **({} if "query" in source else {"table": "member"}), **source}
    else:
        source = {"path": f"member.{kind}", **({"sheet": "Members"} if kind == "xlsx" else {}), **source}
    return Contract.model_validate(
        {
            "dataset": "staging",
            "table": "member",
            "description": "members",
            "grain": "a member",
            "system": "test",
            "key": list(key),
            "partition": "snapshot_date",
            "source": {"kind": kind, **source},
            "columns": columns,
            "path": Path("member.yaml"),
        }
    )


def mutated(content, chance):
    """Damage a file in one to four places, as `chance` has it."""
    for _ in range(chance.randint(1, 4)):
        data = bytearray(content)
        at, other = sorted(chance.choices(range(len(data) + 1), k=2))
        lines = content.splitlines(keepends=True)
        match chance.randrange(8):
            case 0:
                data[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                del data[at:]
            case 2:
                del data[at:other]
            case 3:
                data[at:at] = chance.choice(
                    [b'"', b'""', b",", b"\n", b"\r", b"\0", b"\xff", b"{", b"]", b"\\", b"\xef\xbb\xbf"]
                )
            case 4:
                data = b"".join(itertools.chain(lines, chance.choices(lines, k=2))) if lines else data
            case 5:
                chance.shuffle(lines)
                data = b"".join(lines)
            case 6:
                data = data.replace(b'"', b"", 1)
            case 7:
                data[at:other] = data[at:other][::-1]
        content = bytes(data)
    return content


class Content:
    """All that a source holds, gathered over its batches."""

    def __init__(self, contract, folder=Path(), dsn=None):
        self.batches = list(read(contract, data_source=folder, dsn=dsn))
        self.rows = [list(row.values()) for batch in self.batches for row in batch.rows.to_pylist()]
        self.lines = [line for batch in self.batches for line in batch.lines or []]
        self.rejects = [reject for batch in self.batches for reject in batch.rejects]
        for batch in self.batches:
            batch.rows.validate(full=True)
            assert batch.lines is None or len(batch.lines) == batch.rows.num_rows
        for reject in self.rejects:
            reject.raw.encode()
            reject.reason.encode()


class FileSource:
    """A file of members: `write` fills it, `read` reads it by the contract."""

    kind: ClassVar[str]
    many = 200_000  # rows that are more than a batch
    missing_message = r"the file cannot be read \(No such file.*LUMBUNG_DATA_SOURCE"
    empty_text = ""  # what an empty text is read as

    def __init__(self, folder):
        self.folder = folder
        self.contract = make_contract(self.kind)
        self.file = folder / self.contract.source.path
        self.where = str(self.file)
        self.dsn = None

    def write(self, rows, names=NAMES):
        """Fill the source with rows: texts and nulls, in the order of the names."""
        self.records = [self.record(row, names) for row in rows]
        self.file.write_bytes(self.text(self.records, names).encode())

    def read(self):
        return Content(self.contract, self.folder)

    def raw(self, number):
        """A row as it stands in the source; rows are numbered from 0."""
        return self.records[number].rstrip("\n")

    def lines(self):
        """The line of the file that each row starts on."""
        starts, line = [], 2  # after the header, the opening bracket or a blank line
        for record in self.records:
            starts.append(line)
            line += record.count("\n")
        return starts


class CsvSource(FileSource):
    kind = "csv"
    empty_text = None

    def record(self, row, names):
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow(row)
        return line.getvalue()

    def text(self, records, names):
        return "".join([",".join(names) + "\n", *records])


class JsonArraySource(FileSource):
    kind = "json"

    def record(self, row, names):
        return json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False) + "\n"

    def text(self, records, names):
        return "[\n" + ",".join(records) + "]\n"


class JsonLinesSource(JsonArraySource):
    def text(self, records, names):
        return "\n" + "".join(records)


class XlsxSource(FileSource):
    """A sheet below its header, every value in a text cell."""

    kind = "xlsx"
    many = 60_000
    empty_text = None

    def write(self, rows, names=NAMES):
        self.records = [self.record(row, names) for row in rows]
        with xlsxwriter.Workbook(self.file) as workbook:
            sheet = workbook.add_worksheet("Members")
            sheet.xls_strmax = 1 << 20  # others write longer texts than Excel allows
            for number, row in enumerate([names, *rows]):
                for column, value in enumerate(row):
                    sheet.write_string(number, column, value or "")

    def record(self, row, names):
        return json.dumps({name: value or None for name, value in zip(names, row, strict=True)}, ensure_ascii=False)

    def lines(self):
        return list(range(2, len(self.records) + 2))


class PostgresSource:
    """A table of members, filled by COPY."""

    kind = "postgres"
    many = 200_000
    missing_message = "there is no such table"
    where = "shop.member"
    empty_text = ""

    def __init__(self, server):
        self.server = server
        self.contract = make_contract("postgres")
        self.folder, self.dsn = Path(), server.uri()

    def write(self, rows, names=NAMES):
        columns = ", ".join(f'"{name}" text' for name in names)
        escapes = str.maketrans({"\\": r"\\", "\n": r"\n", "\r": r"\r", "\t": r"\t"})
        lines = ["\t".join(r"\N" if value is None else value.translate(escapes) for value in row) for row in rows]
        self.server.sql(
            f"DROP TABLE IF EXISTS member; CREATE TABLE member ({columns});\n"
            + "".join(f"{line}\n" for line in ["COPY member FROM STDIN;", *lines, r"\."])
        )
        self.rows = rows

    def read(self):
        return Content(self.contract, dsn=self.dsn)

    def raw(self, number):
        return json.dumps(dict(zip(NAMES, self.rows[number], strict=True)), ensure_ascii=False)

    def lines(self):
        return [None] * len(self.rows)


class Postgres:
    """A running server; `uri(user, password, database)` and `sql(statements)`."""

    def __init__(self, server):
        self.server = server

    def uri(self, user="postgres", password="", database="postgres"):
        return self.server.get_uri(database).replace("postgres:@", f"{user}:{password}@")

    def sql(self, statements, database="postgres"):
        subprocess.run(
            [self.server.bin_path / "psql", "-qv", "ON_ERROR_STOP=1", self.uri(database=database)],
            input=statements.encode(),
            check=True,
            env={"PGCLIENTENCODING": "UTF8"},
        )
