"""The rules on text, case by case, and against a plain reading of them."""

import random
import re
import unicodedata

import pyarrow as pa
import pytest

from lumbung.spark import text
from support.raw_tweets import nasty_text

FAMILY, FLAG = "👩‍👩‍👧", "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"


def clean(raw):
    return text.clean(pa.array([raw])).to_pylist()[0]


def named(cleaned):
    return text.instruments(pa.array([cleaned])).to_pylist()[0]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("", ""),
        ("  Beli\tsaham\r\n\n sekarang \u00a0\u2003! ", "Beli saham sekarang !"),
        ("baris\u2028dua\u0085tiga\x1cempat\x0blima", "baris dua tiga empat lima"),
        # HTML: once, before all else, as a browser reads it
        ("untung &amp; rugi &lt;3 &#x1F680; &eacute;", "untung & rugi <3 🚀 é"),
        ("&amp;amp; &amp;lt; &ampsaham &notanentity;", "&amp; &lt; &saham ¬anentity;"),
        ("&#64;sahamgain naik", "naik"),
        ("&#0;&#13;x", "\ufffd x"),
        ("saham&nbsp;BBCA", "saham BBCA"),
        # NFC, after what is hidden is gone
        ("cafe\u0301 e\u200b\u0301 \u212b", "caf\u00e9 \u00e9 \u00c5"),
        ("ﬁ ２ 𝗦𝗔𝗛𝗔𝗠", "ﬁ ２ 𝗦𝗔𝗛𝗔𝗠"),
        # controls
        ("sa\u00adham sa\u200bham\ufeff \x00\x07\x7f\x9f", "saham saham"),
        ("\u202esaham\u202c \u2066x\u2069 \u200e\u200f\u061c", "saham x"),
        ("a\u200db \u200d🚀 🚀\u200d x", "ab 🚀 🚀 x"),
        ("a\u200b \u200b b", "a b"),
        (f"{FAMILY} ❤️‍🔥 👩🏽‍💻 🏳️‍🌈 👁️‍🗨️ 🙂‍↔️ {FLAG} 1️⃣ 🇮🇩", f"{FAMILY} ❤️‍🔥 👩🏽‍💻 🏳️‍🌈 👁️‍🗨️ 🙂‍↔️ {FLAG} 1️⃣ 🇮🇩"),
        ("x\U000e0067\U000e007f", "x"),
        ("\u06dd \ue000 \u2800", "\u06dd \ue000 \u2800"),
        # URLs
        ("lihat https://t.co/AbC123 dan HTTP://saham.example/a?b=1&c=(2)#d.", "lihat dan ."),
        ("https://t.co/AbC123,saham https://t.co/x🚀y", ",saham 🚀y"),
        ('(https://saham.example/x), "www.saham.example"!', '( ), " "!'),
        ("awww.saham x.www.saham budi@www.saham.example", "awww.saham x.www.saham"),
        ("lihathttps://saham.example/é/x; https:// http:/x", "lihat ; http:/x"),
        ("https://a.example/?q=1&amp;r=2 ok", "ok"),
        ("https://medium.example/@sahamgain ok", "ok"),
        ("ht\u200btps://t.co/abc ok", "ok"),
        # mentions and e-mail addresses
        ("@sahamgain .@a,@b: (@c) @d@e ＠f_1 @ saham", ". , : ( ) @ saham"),
        ("@\u200bsahamgain @日本 a@b", "@日本 a@b"),
        ("kirim ke budi.s+x@saham.example.co ya", "kirim ke ya"),
        ("RT @a: saham", "RT : saham"),
        # hashtags stay as written
        ("#BeliSaham #sahamku ＃x", "#BeliSaham #sahamku ＃x"),
    ],
)
def test_cleaned(raw, expected):
    assert clean(raw) == expected


@pytest.mark.parametrize(
    ("instrument", "texts"),
    [
        (
            "saham",
            "saham|SAHAM|SaHaM|#saham|#SAHAM|sahamku|sahammu|sahamnya|sahamlah|sahamkah|sahampun|SahamNYA|saham-saham"
            "|saham-sahamnya|saham-ku|(saham)|«saham»|saham.|saham/obligasi|❤️saham|🚀saham🚀|1️⃣saham|a#saham|ke-saham-an"
            "|#SahamIndonesia|#BeliSaham|#SahamKu|#sahamBBCA|#BBCASaham|#AyoBeliSahamYuk|#IDX30Saham|＃BeliSaham"
            "|#CaféSaham|saham\u0336",
        ),
        (
            "reksadana",
            "reksadana|Reksa Dana|reksa-dana|REKSADANAKU|reksa dananya|reksadana-reksadana|#reksadana|#ReksaDana"
            "|#ReksaDanaSyariah|#ReksadanaSyariah|#reksaDana|#reksa dana",
        ),
        ("sukuk", "sukuk|sukukku|sukukmu|sukuk-sukuk|#sukuk|#SukukRI|#SukukRitel|SUKUKPUN"),
    ],
)
def test_named(instrument, texts):
    wrong = [word for word in texts.split("|") if named(word) != [instrument]]
    assert wrong == []


def test_not_named():
    texts = (
        "|suku|sahaman|bersaham|sukukata|saham2|2saham|saham_|_saham|sahamkulah|sahamnyalah|sahamkunya|sahamé|ésaham"
        "|saham²|saham株|株saham|#sahamindonesia|#belisaham|#Saham2026|#Saham_Indonesia|#SaHaM|BeliSaham|reksa|dana"
        "|reksa  dana|reksa_dana|reksa.dana|reksa\u2013dana|reksa #dana|reksadan|danareksa|sukukukuku|s a h a m|sаham"
        "|𝗦𝗔𝗛𝗔𝗠|ſaham"
    )
    wrong = [word for word in texts.split("|") if named(word)]
    assert wrong == []


def test_several_are_sorted_and_once():
    assert named("Sukuk, saham, saham, reksa dana dan #SahamIndonesia") == ["reksadana", "saham", "sukuk"]


@pytest.mark.parametrize(
    "raw", ["@sahamgain", "https://saham.example", "www.saham.example", "budi@saham.example", "https://t.co/saham"]
)
def test_what_is_removed_names_nothing(raw):
    assert named(clean(f"lihat {raw} ya")) == []


def plainly_named(cleaned):
    """The rules of names read plainly, tweet by tweet."""
    split = re.sub(
        r"[#＃]\w+", lambda tag: re.sub(r"(?<=[^\W_A-Z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", tag[0]), cleaned
    )
    # `İ` is one letter in Arrow, and two characters in Python's lower case
    lower = "".join(letter.lower()[0] for letter in split)
    words = {"reksadana": "reksa[ -]?dana", "saham": "saham", "sukuk": "sukuk"}
    return [name for name, word in words.items() if re.search(rf"(?<!\w){word}(ku|mu|nya|lah|kah|pun)?(?!\w)", lower)]


def test_columns_are_cleaned_as_single_texts_are_and_keep_the_rules():
    dice = random.Random(20)
    raw = [nasty_text(dice) for _ in range(3000)]
    # Arrow's arrays may begin amid a buffer
    cleaned = text.clean(pa.array(["x", *raw]).slice(1)).to_pylist()
    assert cleaned[:300] == [clean(single) for single in raw[:300]]
    assert text.instruments(pa.array(["x", *cleaned]).slice(1)).to_pylist() == [plainly_named(line) for line in cleaned]
    for line in cleaned:
        assert unicodedata.is_normalized("NFC", line)
        assert " ".join(line.split()) == line
        assert not re.search(r"https?://\w|(?<!\w)@[A-Za-z0-9_]", line)
        assert not re.search("[\x00-\x1f\x7f-\x9f\u200b\u200c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\xad]", line)


@pytest.mark.parametrize(
    ("expected", "texts"),
    [
        (
            True,
            [
                "Harga saham naik hari ini",
                "beli saham dulu gan",
                "sukuk ritel seri baru udah bisa dipesan",
                "reksadana pasar uang cocok buat pemula",
                "gk ngerti saham tapi pengen coba",  # taken for Javanese
                "IHSG merah lagi hari ini, sabar ya",  # taken for Malay
                "Aku arep tuku saham sesuk esuk",  # is Javanese
            ],
        ),
        (
            False,
            [
                "This stock is going to the moon",
                "buy the dip, stocks are cheap",
                "compré acciones hoy y subieron mucho",
                "株を買いました",
                "Ich habe heute Aktien gekauft",
                "",
                "🚀🚀 123 !!!",
            ],
        ),
    ],
)
def test_language(expected, texts):
    assert [line for line in texts if text.is_indonesian(line) is not expected] == []
