"""Archives of real files: every line is an envelope or an error, in bounded memory."""

import gzip
import json
import os
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lumbung.core.errors import LumbungError, SourceError
from lumbung.stream import archive, envelope
from lumbung.stream.archive import Archive
from lumbung.stream.collect import collect, open_source
from lumbung.stream.items import Refused

V1 = {
    "id_str": "11",
    "created_at": "Wed Nov 25 03:04:05 +0000 2026",
    "full_text": "saham sintetis",
    "user": {"screen_name": "sintetis_siti"},
}
V2 = {
    "id": "12",
    "created_at": "2026-11-25T03:04:05Z",
    "text": "sukuk sintetis",
    "author": {"username": "sintetis_budi"},
}


def post(number: int, author: str = "7") -> dict[str, str]:
    return {"id": str(number), "created_at": "2026-11-25T03:04:05Z", "text": "reksadana", "author_id": author}


PAGE = {
    "data": [post(13), post(14, "8"), post(15, "9")],
    "includes": {"users": [{"id": "7", "username": "sintetis_ayu"}, {"id": "8", "username": "sintetis_dewi"}]},
    "meta": {"result_count": 3},
}


def read(path: Path) -> tuple[list[dict[str, Any]], list[Refused]]:
    items = list(Archive(path).items())
    return [envelope.row(item) for item in items if isinstance(item, bytes)], [
        item for item in items if isinstance(item, Refused)
    ]


def lines(*values: Any) -> bytes:
    return b"".join((value if isinstance(value, bytes) else json.dumps(value).encode()) + b"\n" for value in values)


def test_shapes_and_files_are_mixed_freely(tmp_path):
    (tmp_path / "2026/11").mkdir(parents=True)
    (tmp_path / "2026/11/a.JSONL").write_bytes(b"\xef\xbb\xbf" + lines(V1, PAGE).replace(b"\n", b"\r\n") + b"\n  \n")
    (tmp_path / "2026/b.json.gz").write_bytes(gzip.compress(lines(V2)) + gzip.compress(lines(post(16))))
    # A stream's answer holds one tweet; an empty page none.
    (tmp_path / "c.ndjson").write_bytes(lines({**PAGE, "data": post(17, "8")}, {"meta": {"result_count": 0}})[:-1])
    (tmp_path / "README.md").write_text("no tweets")
    (tmp_path / ".hidden.jsonl").write_text("no tweets")
    rows, refused = read(tmp_path)
    assert refused == []
    assert [(row["identity"], row["user_name"]) for row in rows] == [
        ("11", "sintetis_siti"),
        ("13", "sintetis_ayu"),
        ("14", "sintetis_dewi"),
        ("15", None),
        ("12", "sintetis_budi"),
        ("16", None),
        ("17", "sintetis_dewi"),
    ]
    assert json.loads(rows[1]["raw"]) == {**post(13), "author": PAGE["includes"]["users"][0]}
    assert json.loads(rows[3]["raw"]) == post(15, "9")
    assert Archive(tmp_path).notes == ["left out, as they hold no tweets: README.md"]


def test_only_some_of_many_other_files_are_named(tmp_path):
    for name in ("a.jsonl", *(f"{number}.csv" for number in range(8))):
        (tmp_path / name).write_text("")
    assert Archive(tmp_path).notes == ["left out, as they hold no tweets: 0.csv, 1.csv, 2.csv, 3.csv, 4.csv and 3 more"]


def test_a_tweet_that_has_its_author_keeps_it(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(lines({**PAGE, "data": [{**post(13), "author": {"username": "sintetis_x"}}]}))
    assert [row["user_name"] for row in read(tmp_path)[0]] == ["sintetis_x"]


def test_a_line_is_kept_as_it_came_at_the_time_of_its_file(tmp_path):
    file = tmp_path / "a.anything"
    line = b'{"text": "caf\xc3\xa9 \\ud83d\\ude80",\t"id":1, "created_at":"2026-11-25T03:04:05Z" , "n": 1.50}'
    file.write_bytes(line + b"\r\n")
    os.utime(file, (1_764_000_000, 1_764_000_000.25))
    (item,) = Archive(file).items()
    assert item == b'{"collected_at": "2025-11-24T16:00:00.250Z", "source": "archive", "tweet": ' + line + b"}"
    assert envelope.parse(item).collected_at == datetime(2025, 11, 24, 16, 0, 0, 250_000, tzinfo=UTC)


def test_what_is_not_a_tweet_is_kept_with_file_line_and_reason(tmp_path, make_settings, spooled):
    file = tmp_path / "a.jsonl"
    bad = {**PAGE, "data": [post(13), {"id": "14"}, 5]}
    file.write_bytes(lines(V1, b"{bukan json", b"\xff\xfe", [1], {"delete": {"id": 1}}, b"", bad, V2, b'{"id":'))
    settings = make_settings()
    summary = collect(settings, open_source(settings, "archive", path=tmp_path))
    assert (summary.tweets, summary.refused, summary.requests, summary.usd) == (3, 7, 0, 0)
    assert sorted(row["identity"] for row in spooled(settings)) == ["11", "12", "13"]
    (errors,) = summary.error_files
    assert errors.parent == settings.spool / "error"
    errors_in_file = [json.loads(line) for line in errors.read_bytes().splitlines()]
    assert {entry["file"] for entry in errors_in_file} == {str(file)}
    assert [(entry["line"], entry["reason"].split(": line")[0]) for entry in errors_in_file] == [
        (2, "not JSON: Expecting property name enclosed in double quotes"),
        (3, "not UTF-8: byte 0xff at 0"),
        (4, "not a JSON object"),
        (5, "not a tweet, but the stream's notice delete"),
        (7, "data[1]: the tweet has no created_at"),
        (7, "data[2]: the tweet is not a JSON object"),
        (9, "not JSON: Expecting value"),
    ]
    raws = [entry["raw"].encode("utf-8", "surrogateescape") for entry in errors_in_file]
    assert raws[:3] == [b"{bukan json", b"\xff\xfe", b"[1]"]
    assert json.loads(raws[4]) == {"id": "14"}


def test_collecting_again_gives_the_same_files(tmp_path, make_settings):
    (tmp_path / "a.jsonl").write_bytes(lines(V1, PAGE, b"bad"))
    settings = make_settings()
    first, again = (collect(settings, Archive(tmp_path / "a.jsonl")) for _ in range(2))
    assert first == again
    assert {path.name for path in settings.spool.rglob("*.*")} == {
        *(path.name for path in first.files + first.error_files),
        *(path.name for path in settings.spool.glob("incoming/archive-refused-*")),
    }
    assert len(list((settings.spool / "incoming").iterdir())) == 2


def test_a_compressed_file_that_breaks_off_gives_what_it_has(tmp_path):
    whole = lines(*({**V1, "id_str": str(number), "noise": os.urandom(50).hex()} for number in range(1, 2001)))
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(whole)[:-5000])
    (tmp_path / "b.jsonl").write_bytes(lines(V2))
    rows, (refused,) = read(tmp_path)
    assert 1000 < len(rows) < 2000
    assert rows[-1]["identity"] == "12", "the next file is read"
    assert refused.file.endswith("a.jsonl.gz")
    assert refused.line == len(rows)
    assert refused.reason.startswith("the rest of the file cannot be read: ")


def test_a_line_without_an_end_is_refused_and_the_next_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_LINE_BYTES", 1000)
    (tmp_path / "a.jsonl").write_bytes(lines(b"x" * 5000, V1, b'"' * 1001, V2))
    rows, refused = read(tmp_path)
    assert [row["identity"] for row in rows] == ["11", "12"]
    assert [(item.line, item.reason) for item in refused] == [
        (1, "the line has more than 1,000 bytes"),
        (3, "the line has more than 1,000 bytes"),
    ]


def test_memory_stays_flat(tmp_path):
    with gzip.open(tmp_path / "a.jsonl.gz", "wb", compresslevel=1) as file:
        for block in range(20):
            tweets = ({**V1, "id_str": str(1 + block * 1000 + number), "noise": "x" * 1000} for number in range(1000))
            file.write(lines(*tweets))
    tracemalloc.start()
    try:
        assert sum(isinstance(item, bytes) for item in Archive(tmp_path).items()) == 20_000
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_killed_anywhere_the_next_run_has_every_tweet_once(tmp_path, make_settings, killed, spooled):
    """Files are named by what is in them, so here nothing comes twice even."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.jsonl").write_bytes(lines(*({**V1, "id_str": str(number)} for number in range(1, 8)), b"bad"))
    (tmp_path / "in/b.jsonl").write_bytes(lines(*({**V1, "id_str": str(number)} for number in range(8, 12))))
    for step in range(1, 100):
        settings = make_settings(home=tmp_path / str(step))
        was_killed = killed(settings, "archive", step, tmp_path / "in")
        spooled(settings)
        assert not killed(settings, "archive", 999, tmp_path / "in")
        assert sorted(int(row["identity"]) for row in spooled(settings)) == list(range(1, 12))
        assert len(list((settings.spool / "error").glob("*.jsonl"))) == 1
        if not was_killed:
            break
    assert step == 3 * 5 + 1, "three files of tweets, one of refused lines, one of errors, three steps each"


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (None, "no such file or folder. Give the archive's path"),
        ([], "no JSON-lines file is in the folder. Put files ending in .jsonl"),
        (["tweets.csv"], "no JSON-lines file is in the folder"),
    ],
)
def test_an_archive_without_files_is_an_error(tmp_path, files, words):
    folder = tmp_path / "archive"
    if files is not None:
        folder.mkdir()
        for name in files:
            (folder / name).write_text("id,text")
    with pytest.raises(SourceError, match=words) as error:
        Archive(folder)
    assert error.value.where == str(folder)


def test_a_file_that_cannot_be_opened_is_an_error(tmp_path):
    file = tmp_path / "a.jsonl"
    file.write_bytes(lines(V1))
    source = Archive(tmp_path)
    file.unlink()
    with pytest.raises(SourceError, match=r"a\.jsonl: the file cannot be opened: No such file"):
        list(source.items())


def test_sources_by_name(make_settings, tmp_path):
    with pytest.raises(LumbungError, match=r"archive: no path is given\. Give the folder or file with --path"):
        open_source(make_settings(), "archive")
    with pytest.raises(LumbungError, match=r"koran: no such source\. Use one of synthetic, archive, x"):
        open_source(make_settings(), "koran")
