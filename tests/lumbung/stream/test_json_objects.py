"""Objects one a line, several on one, over many lines, in arrays; after a broken part reading resumes."""

import io
import json
import random
import re
from typing import Any

import pytest

from lumbung.stream import json_objects
from lumbung.stream.json_objects import Broken, Found, Objects


def read(content: bytes, limit: int = 2**24) -> list[Any]:
    """An object's value; of what is broken its bytes."""
    found = list(Objects(io.BytesIO(content), limit, lambda value: "id" in value))
    return [item.value if isinstance(item, Found) else item.raw for item in found]


def dump(*values: Any, **options: Any) -> bytes:
    return b"\n".join(json.dumps(value, **options).encode() for value in values)


TWEETS = [{"id": n, "text": 'a "quoted" {brace} [and] \\ é', "user": {"name": f"u{n}", "urls": [{}]}} for n in range(5)]


@pytest.mark.parametrize(
    "content",
    [
        dump(*TWEETS),
        dump(*TWEETS) + b"\n\n",
        dump(*TWEETS).replace(b"\n", b"\r\n"),
        dump(*TWEETS).replace(b"\n", b""),
        dump(*TWEETS).replace(b"\n", b"\n\x1e"),
        dump(*TWEETS).replace(b"\n", "\n\ufeff".encode()),
        dump(*TWEETS, ensure_ascii=False),
        dump(TWEETS),
        dump(TWEETS, indent=2),
        dump(*TWEETS, indent="\t"),
        dump(*TWEETS, indent=1).replace(b"\n{", b"{"),
        b"[" + dump(*TWEETS).replace(b"\n", b",\n") + b"]",
        b"[\n" + dump(*TWEETS).replace(b"\n", b"\n,") + b"\n]\n",
        b"window.YTD.tweets.part0 = " + dump(TWEETS, indent=2),
        b"\xef\xbb\xbfGrailbird.data.tweets_2026_11 = \n" + dump(TWEETS, indent=2) + b";\n",
        b"var tweets = " + dump(TWEETS) + b";",
        dump(TWEETS[:2], TWEETS[2:], indent=3),
    ],
)
def test_every_layout_gives_the_same_objects(content):
    assert read(content) == TWEETS
    assert read(content, limit=200) == TWEETS, "objects are small, whatever the line's length"


def test_an_object_is_kept_as_it_came_with_its_line():
    text = '{"a" :1.50,\n  "b": "\\u00e9"}'
    found = list(Objects(io.BytesIO(f'\n{{"c":1}}{text} \n\n{{"d": 2}}'.encode()), 1000, bool))
    assert [(item.line, item.text) for item in found] == [(2, '{"c":1}'), (2, text), (5, '{"d": 2}')]


A, B = b'{"id": 1, "text": "a"}', b'{"id": 2, "text": "b"}'


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'{"id": 1, "te\n' + B, [b'{"id": 1, "te', 2]),
        (b'{"id":\n' + A + b"\n" + B, [b'{"id":', 1, 2]),
        (b'{"id":\n' + A, [b'{"id":', 1]),
        (b'{"id": 1, "x": [\n' + A + b"\n" + B + b"\n", [b'{"id": 1, "x": [', 1, 2]),
        (b'{"id": 1, "te' + B + b"\n" + A, [b'{"id": 1, "te', 2, 1]),
        (b'{"id": 1, "text": "a' + B, [b'{"id": 1, "text": "a', 2]),
        (b'{"id": 1, "user": ' + B + b"\n" + A, [b'{"id": 1, "user": ', 2, 1]),
        (A + b" bukan json\n" + B, [1, b" bukan json", 2]),
        (b"bukan json\n" + A + b'\n{"no": NaN}\n' + B, [b"bukan json", 1, b'{"no": NaN}', 2]),
        (b'[{"id": 1}, 5, {"id": 2}]\n' + B, [1, b", 5, ", 2, 2]),
        (b'[{"id": 1}, {"id": }, {"id": 3}, {"id": 4}]\n' + B, [1, b', {"id": }, ', 3, 4, 2]),
        (A + b'\n{"id": "\xff"}' + B, [1, b'{"id": "\xff"}', 2]),
        (b"[" + A + b', {"id": 3, "text": "\xff"}, ' + B + b"]", [1, b'{"id": 3, "text": "\xff"}', 2]),
        (b"{\n" * 3 + A + b"\n" + B, [b"{", b"{", b"{", 1, 2]),
        (b'{"a": {"b": 7}', [b'{"a": {"b": 7}']),
        (A + b'\n[1]\n"text"\nnull\n' + B, [1, b"[1]", b'"text"', b"null", 2]),
        (b"[]\n" + A, [1]),
    ],
)
def test_what_is_broken_costs_itself_only(content, expected):
    ids = [item["id"] if isinstance(item, dict) else item for item in read(content)]
    assert ids == expected


def test_a_long_object_is_broken_and_named():
    long = json.dumps({"id": 1, "text": "x" * 2000}).encode()
    found = list(Objects(io.BytesIO(A + b"\n" + long + b"\n" + B), 1000, bool))
    assert [(item.line, getattr(item, "reason", "")) for item in found] == [
        (1, ""),
        (2, "the line has more than 1,000 bytes"),
        (3, ""),
    ]
    assert len(found[1].raw) == 1000
    indented = json.dumps({"data": [{"id": n} for n in range(200)]}, indent=2).encode()
    (broken,) = list(Objects(io.BytesIO(b"\n" + indented + b"\n" + A), 1000, bool))
    assert isinstance(broken, Broken)
    assert (broken.line, broken.reason) == (2, "an object of more than 1,000 bytes; the rest of the file is not read")


SEPARATORS = re.compile("[\\s\ufeff,;\\[\\]]")
NOISE = [b'"', b"{", b"}", b"[", b"]", b"\\", b"\n", b",", b"\xff", "é".encode(), b"NaN", b"}{", b'{"id": 8}']


def solid(content: bytes) -> str:
    """Without what may stand between objects."""
    return SEPARATORS.sub("", content.decode("utf-8", "surrogateescape"))


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_broken_each_byte_is_of_an_object_or_of_what_is_broken(seed, monkeypatch):
    choice = random.Random(seed)
    for _ in range(50):
        monkeypatch.setattr(json_objects, "PIECE_BYTES", choice.choice([50, 200, 2**20]))
        tweets = [choice.choice(TWEETS) for _ in range(choice.randrange(1, 9))]
        indent = choice.choice([None, None, 1])
        content = dump(tweets, indent=indent) if choice.random() < 0.5 else dump(*tweets, indent=indent)
        for _ in range(choice.randrange(4)):
            place = choice.randrange(len(content))
            content = content[:place] + choice.choice(NOISE) + content[place + choice.choice([0, 0, 1, 30]) :]
        given = f"\n{content!r}"
        found = list(Objects(io.BytesIO(content), 2**20, lambda value: "id" in value))
        texts = [item.text.encode() if isinstance(item, Found) else item.raw for item in found]
        assert "".join(map(solid, texts)) == solid(content), given
        assert [item.line for item in found] == sorted(item.line for item in found), given
        for item in found:
            line = item.text if isinstance(item, Found) else item.raw.decode("utf-8", "surrogateescape")
            first = SEPARATORS.split(line.lstrip("\ufeff \t,;[]"))[0]
            assert first in content.decode("utf-8", "surrogateescape").split("\n")[item.line - 1], given


@pytest.mark.parametrize("seed", range(20))
def test_cut_anywhere_nothing_is_neither_read_nor_broken(seed):
    """A file that was cut and appended to: all tweets but the cut one are read, and the cut one is broken."""
    choice = random.Random(seed)
    for _ in range(50):
        cut = dump(TWEETS[0])
        content = cut[: choice.randrange(1, len(cut))]
        joint = choice.choice([b"\n", b""])
        items = read(dump(*TWEETS[1:3]) + b"\n" + content + joint + dump(*TWEETS[3:]))
        assert [item for item in items if isinstance(item, dict) and "id" in item] == TWEETS[1:]
        assert [item for item in items if isinstance(item, bytes)] == [content]
