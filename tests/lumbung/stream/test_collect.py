"""Spool files: whole or not there, of a bounded size, and saved before what a source knows of itself."""

import errno
import json
import os
import time
from datetime import date
from pathlib import Path

import pytest

from lumbung.core.errors import LumbungError, SourceError
from lumbung.stream import collect as collecting
from lumbung.stream import envelope
from lumbung.stream.collect import collect
from lumbung.stream.feed import RefusedError
from lumbung.stream.items import Checkpoint, Refused
from lumbung.stream.synthetic import Synthetic


class Given:
    """A source of given items; an error among them is raised."""

    name = "synthetic"
    requests = 2
    mills = 15

    def __init__(self, *given):
        self.given, self.notes = given, ["note"]

    def items(self):
        for item in self.given:
            if isinstance(item, Exception):
                raise item
            yield item


def content(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def test_files_are_split_by_lines_and_by_bytes(make_settings, monkeypatch):
    monkeypatch.setattr(collecting, "MAX_LINES", 3)
    monkeypatch.setattr(collecting, "MAX_FILE_BYTES", 100)
    settings = make_settings()
    summary = collect(settings, Given(*(b"%d" % number for number in range(7)), b"x" * 99, b"y"))
    texts = [path.read_bytes() for path in summary.files]
    assert texts == [b"0\n1\n2\n", b"3\n4\n5\n", b"6\n" + b"x" * 99 + b"\n", b"y\n"]
    assert {path.parent for path in summary.files} == {settings.spool / "incoming"}
    assert (summary.tweets, summary.requests, summary.usd, summary.notes) == (9, 2, 0.015, ["note"])


def test_a_checkpoint_is_saved_when_all_before_it_is_on_disk(make_settings):
    settings, seen = make_settings(), []

    def save():
        seen.append({name: content(settings.spool / name) for name in ("incoming", "error")})

    collect(settings, Given(b"1", Refused("file", 4, "bad", b"raw"), Checkpoint(save), Checkpoint(save), b"2"))
    refused = {"file": "file", "line": 4, "reason": "bad", "raw": "raw"}
    for files in seen:
        tweets, message = files["incoming"].values()
        assert tweets == b"1\n"
        assert json.loads(message) == {"source": "synthetic", "refused": refused}
        (errors,) = files["error"].values()
        assert json.loads(errors) == refused
    assert len(seen) == 2
    assert sorted(content(settings.spool / "incoming").values()) == [b"1\n", b"2\n", message]


def test_what_is_refused_of_a_file_is_spooled_alike_whatever_comes_with_it(make_settings):
    settings = make_settings()

    def refused(file: str, line: int) -> Refused:
        return Refused(file, line, "bad", b"\xff" + b"x" * 20_000)

    first = [refused("a", 1), b"1", refused("a", 2), refused("c", 1)]
    summary = collect(settings, Given(*first))
    assert (summary.tweets, summary.refused, len(summary.files)) == (1, 3, 1)
    before = {name for name in content(settings.spool / "incoming") if "refused" in name}
    assert len(before) == 2
    collect(settings, Given(*first[:3], refused("b", 9), b"2", *first[3:]))
    files = content(settings.spool / "incoming")
    after = {name for name in files if "refused" in name}
    (added,) = after - before
    (message,) = files[added].splitlines()
    with pytest.raises(RefusedError, match=r"^b: bad$") as error:
        envelope.row(message)
    assert (error.value.line, error.value.raw) == (9, f"\\xff{'x' * 9995}…")


def test_a_source_that_fails_leaves_whole_files_only(make_settings):
    settings = make_settings()
    with pytest.raises(SourceError, match="gone"):
        collect(settings, Given(b"1", Checkpoint(lambda: None), b"2", SourceError("gone")))
    assert list(content(settings.spool / "incoming").values()) == [b"1\n"]
    assert content(settings.spool / "error") == {}


def test_nothing_to_collect_makes_no_file(make_settings):
    summary = collect(make_settings(), Given())
    assert (summary.files, summary.error_files, summary.tweets, summary.refused) == ([], [], 0, 0)


def test_a_tweet_that_no_message_can_hold_is_refused(make_settings):
    big = b'"' + b"x" * collecting.MAX_TWEET_BYTES + b'"'
    summary = collect(make_settings(), Given(b"1", big, b"2"))
    assert (summary.tweets, summary.refused) == (2, 1)
    (error,) = [json.loads(line) for line in summary.error_files[0].read_bytes().splitlines()]
    assert error["reason"] == "a tweet of 1,000,002 bytes; a message may have 1,000,000"
    assert error["raw"].encode() == big


def test_what_a_killed_collector_left_is_dropped_when_it_is_old(make_settings):
    settings = make_settings()
    incoming = settings.spool / "incoming"
    incoming.mkdir(parents=True)
    for name in ("old.tmp", "young.tmp", "old.jsonl"):
        (incoming / name).write_text("half")
    for name in ("old.tmp", "old.jsonl"):
        os.utime(incoming / name, (0, time.time() - 3700))
    collect(settings, Given())
    assert set(content(incoming)) == {"young.tmp", "old.jsonl"}


def test_a_spool_that_cannot_be_written_is_reported(make_settings):
    settings = make_settings()
    settings.home.mkdir()
    settings.spool.write_text("a file")
    with pytest.raises(LumbungError, match="the spool cannot be used: Not a directory") as error:
        collect(settings, Given(b"1"))
    assert error.value.where == str(settings.spool / "incoming")


def test_a_state_that_cannot_be_written_is_reported(make_settings):
    def full():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "state.json")

    with pytest.raises(LumbungError, match=r"state\.json: the spool cannot be used: No space left on device"):
        collect(make_settings(), Given(b"1", Checkpoint(full)))


def test_killed_anywhere_the_next_run_has_the_same_files(tmp_path, make_settings, killed, monkeypatch):
    monkeypatch.setattr(collecting, "MAX_LINES", 150)
    whole = make_settings(home=tmp_path / "whole")
    collect(whole, Synthetic(date(2026, 11, 24)))
    expected = content(whole.spool / "incoming")
    steps = 3 * len(expected)
    for step in range(1, steps + 1):
        settings = make_settings(home=tmp_path / str(step))
        assert killed(settings, "synthetic", step, lines=150)
        files = content(settings.spool / "incoming")
        assert {name: text for name, text in files.items() if name.endswith(".jsonl")}.items() <= expected.items()
        assert not killed(settings, "synthetic", steps + 1, lines=150)
        files = content(settings.spool / "incoming")
        assert {name: text for name, text in files.items() if name.endswith(".jsonl")} == expected
