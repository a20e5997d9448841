"""What an archive's files are is seen from their content: read, or refused by name; nothing is passed over silently."""

import bz2
import gzip
import hashlib
import io
import json
import lzma
import re
import tarfile
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from lumbung.core.errors import SourceError
from lumbung.stream import envelope
from lumbung.stream.archive import Archive
from lumbung.stream.items import Refused


def post(number: int) -> dict:
    return {
        "id": f"{number}",
        "created_at": "2026-11-25T03:04:05Z",
        "text": "saham sintetis",
        "author": {"username": f"sintetis_{number}"},
    }


def lines(*numbers: int) -> bytes:
    return b"".join(json.dumps(post(number)).encode() + b"\n" for number in numbers)


def collected(path: Path) -> tuple[list[str], list[tuple[str, int, str]], str | None]:
    """Ids of the tweets, what is refused, and the error at the end."""
    items, error = [], None
    archive = Archive(path)
    try:
        items.extend(archive.items())
    except SourceError as raised:
        error = str(raised)
        # What a generator gives before it fails.
        items = []
        with pytest.raises(SourceError):
            for item in Archive(path).items():
                items.append(item)
    ids = [envelope.row(item)["identity"] for item in items if isinstance(item, bytes)]
    root = f"{path.parent}/"
    return (
        ids,
        [(item.file.removeprefix(root), item.line, item.reason) for item in items if isinstance(item, Refused)],
        error,
    )


def zipped(files: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", compression) as container:
        for name, content in files.items():
            container.writestr(name, content)
    return target.getvalue()


def tarred(files: dict[str, bytes], mode: str = "w") -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode=mode) as container:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            container.addfile(member, io.BytesIO(content))
    return target.getvalue()


def zstd(content: bytes) -> bytes:
    return pa.compress(content, "zstd", asbytes=True)


DAY = {"2026/11/25/00/00.json.bz2": bz2.compress(lines(1)), "2026/11/25/00/01.json.bz2": bz2.compress(lines(2, 3))}
READ: dict[str, Callable[[], bytes]] = {
    "gzip": lambda: gzip.compress(lines(1)) + gzip.compress(lines(2, 3)),
    "gzip joined within a line": lambda: gzip.compress(lines(1)[:-1]) + gzip.compress(lines(2, 3)),
    "bzip2": lambda: bz2.compress(lines(1)[:-1]) + bz2.compress(lines(2, 3)),
    "xz": lambda: lzma.compress(lines(1, 2, 3)),
    "lzma": lambda: lzma.compress(lines(1, 2, 3), lzma.FORMAT_ALONE),
    "zstd": lambda: zstd(lines(1)[:-1]) + zstd(lines(2, 3)),
    "zip, stored": lambda: zipped({"a/b.jsonl": lines(1, 2, 3)}),
    "zip, deflated": lambda: zipped({"a.jsonl": lines(1, 2), "b.txt": lines(3)}, zipfile.ZIP_DEFLATED),
    "zip of bz2": lambda: zipped(DAY),
    "zip in zip": lambda: zipped({"inner.zip": zipped(DAY, zipfile.ZIP_DEFLATED)}),
    "tar": lambda: tarred(DAY),
    "tar.gz": lambda: tarred({"a.json": lines(1, 2), "b.json": lines(3)}, "w:gz"),
    "tar.gz of tars, as the Internet Archive's months": lambda: tarred({"twitter-stream-25.tar": tarred(DAY)}, "w:gz"),
    "zip in tar": lambda: tarred({"day.zip": zipped(DAY)}),
    "tars joined": lambda: tarred({"a.json": lines(1)}) + tarred({"a.json": lines(2, 3)}),
    "xz joined and padded": lambda: lzma.compress(lines(1)) + bytes(8) + lzma.compress(lines(2, 3)) + bytes(4),
    "gzip in gzip": lambda: gzip.compress(gzip.compress(lines(1, 2, 3))),
}


@pytest.mark.parametrize("form", READ)
def test_containers_are_read_by_content_whatever_their_name(tmp_path, form):
    file = tmp_path / "given.json"
    file.write_bytes(READ[form]())
    assert collected(file) == (["1", "2", "3"], [], None)
    file.rename(tmp_path / "found.backup")
    assert collected(tmp_path) == (["1", "2", "3"], [], None)


REFUSED = {
    "it is 7-Zip, which is not read here": b"7z\xbc\xaf\x27\x1c" + bytes(60),
    "it is RAR, which is not read here": b"Rar!\x1a\x07\x01\0" + bytes(60),
    "it is LZ4, which is not read here": b"\x04\x22\x4d\x18" + bytes(60),
    "it is UTF-16; convert it to UTF-8": lines(1, 2).decode().encode("utf-16"),
    "it is UTF-16; convert it to UTF-8, then": lines(1, 2).decode().encode("utf-16-le"),
    "it is UTF-32; convert it to UTF-8": lines(1, 2).decode().encode("utf-32"),
    "it is Parquet, which is not read here": b"PAR1" + bytes(60),
    "it is binary data, not JSON": b"\x89PNG\r\n\x1a\n\0\0",
    "no file of tweets is in it": zipped({"photo.png": b"\x89PNG\r\n\x1a\n\0\0", "README": b"no tweets"}),
    "it cannot be read to its end: File is not a zip file": zipped({"a.jsonl": lines(1)})[:-10],
    "it cannot be read to its end: Unknown compression method": b"\x1f\x8b\x07" + bytes(20),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_is_not_read_is_refused_once_and_is_an_error(tmp_path, reason):
    file = tmp_path / "given.json"
    file.write_bytes(REFUSED[reason])
    ids, [(name, line, found)], error = collected(file)
    assert (ids, name, line) == ([], "given.json", 1)
    assert found.startswith(reason)
    assert f"given.json:1: nothing could be read of it: {reason}" in error
    assert "in the spool" in error


def test_a_bad_file_among_good_ones_is_an_error_after_all_else_was_given(tmp_path):
    (tmp_path / "a.json").write_bytes(lines(1))
    (tmp_path / "b.7z").write_bytes(b"7z\xbc\xaf\x27\x1c" + bytes(60))
    (tmp_path / "c.json").write_text("bukan json\n")
    (tmp_path / "d.json").write_bytes(lines(2) + b"bukan json\n")
    ids, refused, error = collected(tmp_path)
    assert ids == ["1", "2"]
    assert [Path(name).name for name, _, _ in refused] == ["b.7z", "c.json", "d.json"]
    assert "b.7z:1: nothing could be read of it: it is 7-Zip" in error
    assert "nor of 1 more files" in error


def test_a_broken_member_costs_itself_only(tmp_path):
    broken = bz2.compress(lines(*range(100, 9000)))[:-2000]
    encrypted = bytearray(zipped({"e.json": lines(7)}))
    for mark in (b"PK\x03\x04", b"PK\x01\x02"):
        encrypted[encrypted.index(mark) + (6 if mark[2] == 3 else 8)] |= 1
    (tmp_path / "a.zip").write_bytes(zipped({"1.json": lines(1), "2.bz2": broken[:9], "3.json": lines(3)}))
    (tmp_path / "b.tar").write_bytes(tarred({"1.json": lines(4), "2.bz2": b"BZh9" + bytes(20), "3.json": lines(5)}))
    (tmp_path / "c.zip").write_bytes(encrypted)
    ids, refused, error = collected(tmp_path)
    assert ids == ["1", "3", "4", "5"]
    assert [(name.partition("/")[2], line) for name, line, _ in refused] == [
        ("a.zip/2.bz2", 1),
        ("b.tar/2.bz2", 1),
        ("c.zip/e.json", 1),
    ]
    assert "c.zip/e.json:1: nothing could be read of it: it is encrypted; unpack it" in error


def test_a_container_that_breaks_off_gives_what_it_has(tmp_path):
    whole = tarred({f"{number}.json": lines(number) * 50 for number in range(1, 40)}, "w:gz")
    file = tmp_path / "a.tar.gz"
    file.write_bytes(whole[: len(whole) // 2])
    ids, refused, error = collected(file)
    assert len(ids) > 100
    assert refused
    assert all("end" in reason for _, _, reason in refused)
    assert error is None


HALVES = {
    "gzip": gzip.compress(lines(1)) + lines(2),
    "bzip2": bz2.compress(lines(1)) + lines(2),
    "bzip2 and gzip": bz2.compress(lines(1)) + gzip.compress(lines(2)),
    "xz": lzma.compress(lines(1)) + lines(2),
    "zstd": zstd(lines(*[1] * 5000)) + lines(2),
    "a tar without the mark of its end": tarred({"a.json": lines(1)})[:1024],
    "a tar with a damaged header": tarred({"a.json": lines(1)})[:1024] + b"x" * 512 + tarred({"b.json": lines(2)}),
    "zips joined": zipped({"b.json": lines(2)}) + zipped({"a.json": lines(1)}),
}


@pytest.mark.parametrize("form", HALVES)
def test_what_stands_behind_a_container_is_refused_and_not_dropped(tmp_path, form):
    file = tmp_path / "given.json"
    file.write_bytes(HALVES[form])
    ids, (refused,), error = collected(file)
    assert (set(ids), error) == ({"1"}, None)
    assert "cannot be read" in refused[2] or "joined" in refused[2]


@pytest.mark.parametrize("indent", [None, 1])
def test_of_a_file_that_breaks_off_each_tweet_before_that_is_kept(tmp_path, indent):
    tweets = [{**post(number), "noise": hashlib.sha256(b"%d" % number).hexdigest()} for number in range(1, 3000)]
    whole = gzip.compress(json.dumps(tweets, indent=indent).encode())
    file = tmp_path / "a.json.gz"
    for share in (0.3, 0.6, 0.9):
        file.write_bytes(whole[: int(share * len(whole))])
        readable = zlib.decompressobj(31).decompress(file.read_bytes())
        ids, refused, error = collected(file)
        ends = re.findall(rb'"noise": "[0-9a-f]{64}"\s*}', readable)
        assert len(ends) - len(ids) in ((0, 1) if indent else (0,)), "but a line that was not read to its end"
        assert refused[-1][2].startswith("the rest of the file cannot be read")
        assert error is None


def test_other_files_of_a_folder_or_a_container_are_named_in_a_note(tmp_path):
    (tmp_path / "a.zip").write_bytes(
        zipped({"a.json": lines(1), "photo.png": b"\x89PNG\0", "__MACOSX/._a.json": b"\0"})
    )
    (tmp_path / "notes.md").write_text("# no tweets")
    (tmp_path / "b.docx").write_bytes(zipped({"word/document.xml": b"<xml/>"}))
    archive = Archive(tmp_path)
    assert len(list(archive.items())) == 1
    assert archive.notes == ["left out, as they hold no tweets: notes.md, a.zip/photo.png, b.docx/word/document.xml"]


def test_the_same_container_gives_the_same_envelopes(tmp_path):
    (tmp_path / "a.zip").write_bytes(zipped(DAY))
    assert list(Archive(tmp_path).items()) == list(Archive(tmp_path / "a.zip").items())


def test_memory_stays_flat_in_containers_and_long_arrays(tmp_path):
    tweets = [{**post(number), "noise": "x" * 1000} for number in range(1, 20_001)]
    (tmp_path / "a.tar.bz2").write_bytes(tarred({"a.json": json.dumps(tweets).encode()}, "w:bz2"))
    tracemalloc.start()
    try:
        assert sum(isinstance(item, bytes) for item in Archive(tmp_path).items()) == 20_000
        assert tracemalloc.get_traced_memory()[1] < 12 * 2**20, "of 21 MB"
    finally:
        tracemalloc.stop()
