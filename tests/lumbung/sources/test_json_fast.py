"""The fast lane gives what the exact reader gives: rows, lines, rejects and errors, whatever the file holds."""

import json
import random

import pytest

from lumbung.core.errors import SourceError
from lumbung.sources import json_fast
from support.sources import mutated

TEXTS = [
    "Ann", "", " ", "Zoë 日本 😀", 'a "quoted" b', '"', "\\", "\\\\", "/", "two\nlines", "\r", "\t", "\0", "\x7f",
    "},{", "}, {", "},\n{", "}\n{", '"},\n{"id": "', "[{", "]", "null", '"city": null', '"city":null', ": null", "0012",
    "1e5", "x" * 90, "{}", "//", "/*", "\ufeff", "\u00a0", "\u2028", "NaN",
]  # fmt: skip
ODD_ROWS = [
    '{"id": "1", "name": "a"}',
    '{"id": "1", "name": "a", "name": "b", "city": "c"}',
    '{"id": "1", "name": "a", "city": null, "city": null}',
    '{"id": "1", "name": "a", "City": "c"}',
    '{"id": "1", "name": "a", "c\\u0069ty": "c"}',
    '{"id": "1", "name": "a", "c\\u0069ty": null}',
    '{"id": "1", "name": "a", "x\\"city": null}',
    '{"id": "1", "name": "\\"city\\": null"}',
    '{"id": "1", "name": "a", "city" : null}',
    '{"id": "1", "name": "a", "city":  null}',
    '{"id": "1", "name": "a", "city": null, "more": "m"}',
    '{"city":null,"name":"a","id":"1"}',
    '{"id": 1, "name": 1.00, "city": 1e3}',
    '{"id": "1", "name": 99999999999999999999999, "city": -0}',
    '{"id": "1", "name": true, "city": NaN}',
    '{"id": "1", "name": "a", "city": Infinity}',
    '{"id": "1", "name": {"id": "2"}, "city": null}',
    '{"id": "1", "name": [{"id": "2"},{"id": "3"}], "city": null}',
    '{"id": "1", "name": [{"id": "2"},\n{"id": "3"}], "city": null}',
    '{"id": "1", "name": "\\ud83d\\ude00 \\u00e9 \\u0000", "city": "\\/\\b\\f"}',
    '{"id": "1", "name": "\\ud800", "city": "c"}',
    '{"id": "1", "name": "\\udc80", "city": "c"}',
    '{"id": "1", "name": "a", "city": "\\x"}',
    '{"id": "1", "name": "a\nb", "city": "c"}',
    '{"id": "1", "name": "a\tb", "city": "c"}',
    '{"id": "1", "name": "a\0b", "city": "c"}',
    '{"id": "1", "name": "a", "city": "\udcff"}',
    '{"id": "1", "name": "a", "city": "\udced\udca0\udc80"}',
    '{"id": "1", "name": "a", "city": "\udcc0\udc80"}',
    '\ufeff{"id": "1", "name": "a", "city": "c"}',
    '{"id": "1",\n "name": "a", "city": "c"}',
    '{"id": "1", "name": "a", "city": "c"} {"id": "2", "name": "a", "city": "c"}',
    '{"id": "1", "name": "a", "city": "c"}null',
    '{"id": "1", "name": "a", "city": "c",}',
    '{"id": "1", "name": "a", "city": "c"} // comment',
    '{"id": "1", "name": "a", "city": "c"}\x0c',
    "{'id': '1', 'name': 'a', 'city': 'c'}",
    "{}", "[]", "null", '"x"', "", " ", "\0", "17", ",",
]  # fmt: skip
LAYOUTS = [
    ("[", ",", "]"),
    ("[", ", ", "]\n"),
    ("[\n  ", ",\n  ", "\n]\n"),
    ("[\n", ",\n\n\t", "\n]"),
    ("\n[\r\n", ",\r\n", "\r\n]\r\n"),
    ("[ ", "\n , ", " ]"),
    ("", "\n", ""),
    ("\n", "\n", "\n"),
    ("\ufeff", "\r\n", "\r\n\r\n"),
    ("  ", " \n\n  ", "\n"),
    ("[ ", ", ", "]"),
    ("[", " \n", "]"),
    ("", ",\n", "\n"),
]
STYLES = [{}, {"separators": (",", ":")}, {"indent": 1, "separators": (",", " : ")}]
BETWEEN = [between for _, between, _ in LAYOUTS]


def file_of(chance):
    """A file of a few to many rows in one layout, some of them odd."""
    names, style = (
        ["id", "name", "city"],
        chance.choice(STYLES),
    )
    ascii_only, odd = chance.random() < 0.5, chance.choice([0, 0, 0.01, 0.1])
    texts = TEXTS if chance.random() < 0.5 else ["Ann", "Zoë", "Bali"]
    head, between, tail = chance.choice(LAYOUTS)
    rows = []
    for number in range(chance.choice([1, 5, 40, 100])):
        if chance.random() < odd:
            rows.append(chance.choice(ODD_ROWS))
            continue
        if chance.random() < odd:
            chance.shuffle(names)
        row = {"id": str(number), "name": chance.choice(texts), "city": chance.choice([None, *texts])}
        row |= {chance.choice(names): chance.choice([None, *texts])} if chance.random() < odd else {}
        rows.append(json.dumps({name: row[name] for name in names}, ensure_ascii=ascii_only, **style))
    text = head + "".join(row + (between if chance.random() >= odd / 4 else chance.choice(BETWEEN)) for row in rows)
    content = (text.removesuffix(between) + tail).encode("utf-8", "surrogateescape")
    return mutated(content, chance) if chance.random() < 0.4 else content


def outcome(read_text, content):
    try:
        got = read_text("json", content)
    except SourceError as error:
        return str(error), error.remedy
    # Of one line, the exact reader gives those that cannot be read before those that the contract does not allow.
    return got.rows, got.lines, sorted(got.rejects, key=lambda reject: (reject.line, reject.raw, reject.reason))


def is_limit_exact(content):
    """Whether errors about long rows do not depend on where reading began: they do in a broken array."""
    try:
        return isinstance(json.loads(content), list)
    except ValueError:
        return not content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")


def compare(read_text, monkeypatch, chance, count):
    """Read files both ways; how many rows and rejects came by the fast lane."""
    by_fast_lane = 0
    plain = json_fast.FastLane._plain

    def counted(lane, chunk, line):
        nonlocal by_fast_lane
        batch, size, lines = plain(lane, chunk, line)
        by_fast_lane += batch.rows.num_rows + len(batch.rejects) if batch else 0
        return batch, size, lines

    for _ in range(count):
        content = file_of(chance)
        smallest, times = chance.choice([60, 200, 1000]), chance.choice([1, 4, 16])
        longest = chance.choice([60, 100, 150, 1 << 20]) if is_limit_exact(content) else 1 << 20
        monkeypatch.setattr("lumbung.sources.json_file.MAX_RECORD", longest)
        with monkeypatch.context() as patch:
            patch.setattr(json_fast, "_LONGEST_ROW", longest // 2)
            patch.setattr(json_fast.FastLane, "_plain", counted)
            patch.setattr(json_fast, "_SMALLEST", smallest)
            patch.setattr(json_fast, "_LARGEST", smallest * times)
            patch.setattr(json_fast, "_STRETCH", chance.choice([1, 50, 300]))
            patch.setattr("lumbung.sources.json_file._CHUNK", chance.choice([7, 100, 1 << 18]))
            fast = outcome(read_text, content)
        assert fast == outcome(read_text, content), content  # too short for the lane
    return by_fast_lane


def test_both_ways_give_the_same(read_text, monkeypatch):
    assert compare(read_text, monkeypatch, random.Random("lumbung"), 400) > 2000


@pytest.mark.parametrize("layout", LAYOUTS[:11], ids=repr)
@pytest.mark.parametrize("style", STYLES, ids=repr)
def test_plain_rows_go_by_the_fast_lane(read_text, monkeypatch, layout, style):
    head, between, tail = layout
    style = style if "[" in head else {"separators": style.get("separators")}  # an object a line
    rows = [{"id": str(number), "name": "Zoë", "city": None if number % 3 else "Bali"} for number in range(500)]
    text = head + between.join(json.dumps(row, ensure_ascii=False, **style) for row in rows) + tail
    by_fast_lane = []
    batches = json_fast.FastLane.batches

    def counted(lane, place):
        for batch in batches(lane, place):
            by_fast_lane.extend(batch.lines)
            yield batch

    monkeypatch.setattr(json_fast.FastLane, "batches", counted)
    monkeypatch.setattr(json_fast, "_STRETCH", 1000)
    got = read_text("json", text.encode())
    assert got.rows == [list(row.values()) for row in rows]
    assert got.rejects == []
    assert len(by_fast_lane) > 450
