"""Ids of a model."""

import random

from lumbung.models.labels import Labels
from lumbung.models.model_file import pack

TEXTS = sorted(["", "a", "aa", "b", "é", "日本", "\U0001f600", "Z", "zz"], key=str.encode)


def test_every_text_is_found_where_it_is():
    labels = Labels("ids", pack("ids", TEXTS))
    assert list(labels) == TEXTS
    assert [labels.find(text) for text in TEXTS] == list(range(len(TEXTS)))
    assert (labels[-1], labels[1:3]) == (TEXTS[-1], TEXTS[1:3])


def test_what_is_not_there_is_not_found():
    labels = Labels("ids", pack("ids", TEXTS))
    others = ["c", "ab", "\x00", "zzz", "\ud800", "日", "a" * 1000]
    assert [labels.find(text) for text in others] == [None] * len(others)
    assert Labels("ids", pack("ids", [])).find("a") is None


def test_many_random_texts_are_found_as_in_a_dictionary():
    draw = random.Random(1)
    texts = sorted({"".join(draw.choices("abé", k=draw.randrange(5))) for _ in range(300)}, key=str.encode)
    kept = texts[::2]
    labels = Labels("ids", pack("ids", kept))
    index = {text: position for position, text in enumerate(kept)}
    assert [labels.find(text) for text in texts] == [index.get(text) for text in texts]


def test_order_is_told():
    assert Labels("ids", pack("ids", ["a", "b"])).sorted_and_distinct()
    assert not Labels("ids", pack("ids", ["b", "a"])).sorted_and_distinct()
    assert not Labels("ids", pack("ids", ["a", "a"])).sorted_and_distinct()
