"""What files of every kind share: opening them, and that no damage to one goes unnoticed."""

import bz2
import gzip
import importlib
import io
import lzma
import os
import random
import tracemalloc
import zipfile

import pytest

from lumbung.core.errors import SourceError
from lumbung.sources import read
from support.sources import make_contract, mutated

NOBODY = 65534


def test_a_folder_or_a_pipe_is_not_a_file(tmp_path):
    (tmp_path / "member.csv").mkdir()
    os.mkfifo(tmp_path / "member.json")
    for kind in ("csv", "json"):
        with pytest.raises(SourceError, match="not a file"):
            list(read(make_contract(kind), data_source=tmp_path, dsn=None))


def test_an_unreadable_file(tmp_path):
    (tmp_path / "member.csv").symlink_to("member.csv")
    with pytest.raises(SourceError, match=r"cannot be read \(Too many levels of symbolic links\)"):
        list(read(make_contract("csv"), data_source=tmp_path, dsn=None))


def packed(*names):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in names:
            archive.writestr(name, "text")
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<!DOCTYPE html>\n<title>502 Bad Gateway</title>", "an HTML page with the title '502 Bad Gateway'. Look at"),
        (b"\xef\xbb\xbf\n <HTML lang=id>", "an HTML page. Look at"),
        (b"<?xml version='1.0'?><rows/>", "XML. Look at"),
        (gzip.compress(b"id,name,city\n", mtime=0), "compressed by gzip. Unpack"),
        (bz2.compress(b"id,name,city\n"), "compressed by bzip2. Unpack"),
        (lzma.compress(b"id,name,city\n"), "compressed by xz. Unpack"),
        (packed("member.csv"), "a ZIP archive. Unpack"),
        (packed("docProps/app.xml", "xl/workbook.xml"), "an Excel workbook (.xlsx). Write kind: xlsx"),
        (packed("mimetype", "content.xml"), "a LibreOffice document (.ods). Save it as an Excel workbook"),
        (b"PK\x03\x04 is cut off", "a ZIP archive. Unpack"),
        (packed("xl/workbook.xml").replace(b"PK\x01\x02", b"PK\x01\x03"), "a ZIP archive. Unpack"),
        (bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600), "an old Excel workbook (.xls), or one with a password. Save"),
        (b"PAR1\x15\x04\x15\x00", "Parquet. Export"),
    ],
)
@pytest.mark.parametrize("kind", ["csv", "json"])
def test_what_is_no_text_is_named(read_text, kind, content, message):
    with pytest.raises(SourceError) as refusal:
        read_text(kind, content)
    assert f"the file is {message}" in str(refusal.value)


def test_a_forbidden_file(tmp_path):
    (tmp_path / "member.csv").touch(mode=0)
    importlib.import_module("lumbung.sources.csv_file")  # nobody may not read the checkout, perhaps
    me = os.geteuid()
    if me == 0:  # root may read every file
        os.seteuid(NOBODY)
    try:
        with pytest.raises(SourceError, match="Permission denied"):
            list(read(make_contract("csv"), data_source=tmp_path, dsn=None))
    finally:
        os.seteuid(me)


GOOD = {
    "csv": b'id,name,city\n1,Ann,Bali\n2,"B ""o"" b",Solo\r\n3,"C,\nc",\n4,Zo\xc3\xab,Kediri\n5,Eve,"Ende"\n6,Fay,A\n',
    "array": b'[\n {"id": "1", "name": "Ann", "city": null},\n {"id": "2", "name": "Zo\xc3\xab \\u00e9", "city":"a"},\n'
    b' {"id": "3", "name": "C", "city": "b"}, {"id": "4", "name": "D\\"", "city": "[{"}\n]\n',
    "lines": b'{"id": "1", "name": "Ann", "city": null}\n{"id": "2", "name": "Zo\xc3\xab", "city": "a"}\n\n'
    b'{"id": "3", "name": "C", "city": "b"}\n{"id": "4", "name": "D\\"", "city": "{"}\n',
}


@pytest.mark.parametrize("layout", GOOD)
def test_a_damaged_file_gives_good_rows_and_rejects_or_is_refused(read_text, layout):
    chance = random.Random(f"lumbung {layout}")
    kind = "csv" if layout == "csv" else "json"
    refused = rejected = 0
    for _ in range(200):
        content = mutated(GOOD[layout], chance)
        outcomes = []
        for _ in range(2):
            try:
                got = read_text(kind, content)
                outcomes.append((got.rows, got.lines, got.rejects))
            except SourceError as error:
                outcomes.append(str(error))
        assert outcomes[0] == outcomes[1], content
        if isinstance(outcomes[0], str):
            refused += 1
            continue
        rows, lines, rejects = outcomes[0]
        rejected += bool(rejects)
        starts = [*lines, *(reject.line for reject in rejects)]
        assert len(starts) == len(rows) + len(rejects)
        assert layout == "array" or len(set(starts)) == len(starts), content  # a line starts one row at most
        assert all(1 <= line <= content.count(b"\n") + 1 for line in starts), content
        assert all(row[0].strip() and row[1] is not None for row in rows), content
    assert refused > 10
    assert rejected > 2


@pytest.mark.parametrize("kind", ["csv", "csv in UTF-16", "array", "lines"])
def test_memory_does_not_grow_with_the_file(tmp_path, kind, monkeypatch):
    monkeypatch.setattr("lumbung.sources.files.BATCH_ROWS", 500)
    monkeypatch.setattr("lumbung.sources.json_file._CHUNK", 1 << 14)
    monkeypatch.setattr("lumbung.sources.json_fast._LARGEST", 1 << 14)
    kind, _, encoding = kind.partition(" in ")
    source = {"encoding": encoding} if encoding else {}
    row = {"csv": b'%d,"name",city\n', "array": b'{"id": "%d", "name": "n", "city": "c"}'}
    row["lines"] = row["array"] + b"\n"

    def peak(count):
        rows = (row[kind] % n for n in range(count))
        wrap = {"csv": (b"id,name,city\n", b""), "array": (b"[", b"]"), "lines": (b"", b"")}[kind]
        file = tmp_path / f"member.{'csv' if kind == 'csv' else 'json'}"
        content = wrap[0] + (b", " if kind == "array" else b"").join(rows) + wrap[1]
        file.write_bytes(content.decode().encode(encoding or "utf-8"))
        tracemalloc.start()
        contract = make_contract(file.suffix[1:], **source)
        total = sum(batch.rows.num_rows for batch in read(contract, data_source=tmp_path, dsn=None))
        _, top = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert total == count
        return top

    peak(10)  # imports
    assert peak(16_000) < 1.3 * peak(4_000)
