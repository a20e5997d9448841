"""Synthetic tweets: the same for a seed and a day on every machine, and labelled as synthetic.

User names start with `sintetis_`, the `source` field says it, and `synthetic` says what cleaning should make of the
tweet: `kept` (Indonesian and no retweet) and its `instruments`. They come in the shapes of X API v1.1 and v2, with what
real ones bring: repeats, edits, late arrivals, retweets, other languages, links, mentions, emoji and broken markup.
"""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from lumbung.core.day import JAKARTA
from lumbung.stream import envelope
from lumbung.stream.items import Item

TWEETS = 400
LABEL = "Lumbung, data sintetis"
DAY_MS = 86_400_000
EDIT_MS = 25 * 60_000

# Tweets by the hour in Jakarta: the exchange is open from 9 to 16.
HOURS = [2, 1, 1, 1, 2, 4, 7, 10, 14, 22, 24, 20, 16, 20, 22, 24, 16, 12, 12, 14, 14, 10, 6, 4]
NAMES = "siti budi ayu agus dewi rizky putri andi nur dimas rina hendra wulan bayu maya joko intan fajar laras".split()  # noqa: SIM905
EMOJI = ["🚀", "😭", "📈", "📉", "🤑", "🙏🏽", "👩‍💻", "🇮🇩", "😂", "☕"]
SEVERAL = ["reksadana", "saham", "sukuk"]

# What people say, and the instruments it names. {u}: a user, {l}: a link, {e}: an emoji, {n}: a number.
INDONESIAN: list[tuple[str, list[str]]] = [
    ("baru belajar saham, ternyata seru juga ya {e}", ["saham"]),
    ("sahamku merah semua hari ini {e} sabar aja deh", ["saham"]),
    ("Saham-saham bank lagi diskon nih, gas nabung rutin tiap tanggal {n}", ["saham"]),
    ("gue cuan tipis {n}% dari SAHAM minggu ini, lumayan buat jajan", ["saham"]),
    ("#SahamIndonesia hari ini hijau, semoga lanjut besok {e}", ["saham"]),
    ("#saham blue chip atau gorengan? aku pilih tidur nyenyak", ["saham"]),
    ("sahamnya siapa yang naik terus? bagi tips dong @{u}", ["saham"]),
    ("market lagi sideways, hold aja saham kamu guys, don't panic sell", ["saham"]),
    ("sahamkah atau emas? masih bingung mau mulai dari mana", ["saham"]),
    ("sahampun ikut turun gara-gara rumor, cek dulu {l}", ["saham"]),
    ("saham &lt;gocap&gt; itu jebakan &amp; bikin kapok", ["saham"]),
    ("ngopi di cafe\u0301 sambil pantau saham, ide\u0301 bagus {e}", ["saham"]),
    ("modal {n} juta bisa beli saham apa ya?\nserius nanya", ["saham"]),
    ("reksa dana pasar uang cocok buat dana darurat, santai aja", ["reksadana"]),
    ("Reksa-dana indeks itu simpel: beli rutin, lupakan {e}", ["reksadana"]),
    ("reksadanaku tumbuh {n}% setahun, alhamdulillah", ["reksadana"]),
    ("REKSADANA pendapatan tetap lagi oke nih kata temen kantor", ["reksadana"]),
    ("#ReksadanaPemula ada yang mau ditanyain? reply ya @{u}", ["reksadana"]),
    ("cara cairin reksadana gimana sih? udah {n} hari belum masuk rekening", ["reksadana"]),
    ("sukuk ritel seri baru udah dibuka, kuponnya lumayan {l}", ["sukuk"]),
    ("sukukmu jatuh tempo kapan? punyaku tahun depan", ["sukuk"]),
    ("Sukuk negara: aman &amp; syariah, katanya {e}", ["sukuk"]),
    ("beli sukuklah kalau mau tenang, minimal {n} juta aja", ["sukuk"]),
    ("saham buat jangka panjang, sukuk buat tidur tenang", ["saham", "sukuk"]),
    ("bandingin reksadana vs saham dulu ya sebelum FOMO {l}", ["reksadana", "saham"]),
    ("porto gue: {n}% saham, sisanya reksa dana sama sukuk {e}", SEVERAL),
    ("suku bunga naik lagi, cicilan makin berat {e}", []),
    ("sahaman itu istilah apa sih? baru dengar hari ini", []),
    ("koperasi bersaham rakyat katanya, ada yang paham?", []),
    ("sukukata terakhir bikin bingung anak TK di rumah", []),
    ("grup saham2 gorengan isinya pompom semua {e}", []),
    ("makasih infonya kak @sahamgain, sukses terus", []),
    ("baca dulu di https://saham.example/berita/{n} biar nggak bingung", []),
    ("#sahamindonesia trending lagi, ada apa sih?", []),
    ("nabung emas aja dulu {n} gram, yang penting konsisten", []),
    ("harga cabai naik lagi, dompet menangis {e}", []),
]
# Long enough for the language to be plain where the field does not tell it; the last is whether it is Indonesian.
PLAIN: list[tuple[str, list[str], bool]] = [
    ("kalau kamu baru mulai belajar saham, jangan lupa sisihkan uang untuk kebutuhan sehari-hari dulu ya",
     ["saham"], True),
    ("menurut aku reksa dana lebih cocok untuk orang yang tidak punya waktu memantau pasar setiap hari",
     ["reksadana"], True),
    ("kemarin saya membeli sukuk lewat aplikasi bank dan ternyata prosesnya mudah sekali, tidak sampai {n} menit",
     ["sukuk"], True),
    ("cicilan rumah semakin berat karena suku bunga naik terus, bagaimana cara kalian mengatur pengeluaran?", [], True),
    ("I have been thinking about buying some saham this year, but everything is getting so expensive in this city",
     ["saham"], False),
]  # fmt: skip
FOREIGN: list[tuple[str, str, list[str]]] = [
    ("en", "I just bought my first saham in Jakarta and I have no idea what I am doing {e}", ["saham"]),
    ("en", "What is the difference between a sukuk and a regular government bond? Asking for a friend", ["sukuk"]),
    ("ja", "インドネシアのsahamを始めました {e}", ["saham"]),
    ("ms", "saham Bursa naik hari ni, korang beli kaunter apa?", ["saham"]),
    ("tl", "ano ba ang saham? sabi nila maganda daw {e}", ["saham"]),
]


@dataclass(frozen=True)
class _Tweet:
    """A tweet before it has a shape."""

    number: int
    at: datetime
    user: str
    text: str
    lang: str | None
    kept: bool
    instruments: list[str]
    likes: int
    version: int
    retweet_of: str | None = None
    edits: tuple[int, ...] = ()


class Synthetic:
    """A day's synthetic tweets.

    Args:
        day: the Jakarta day they are collected on; nearly all are of that day, a few of the three days before.
        seed: the same seed gives the same bytes.
        tweets: how many different ones, roughly.
    """

    name = "synthetic"
    requests = 0
    mills = 0

    def __init__(self, day: date, *, seed: int = 1, tweets: int = TWEETS) -> None:
        self.day, self.seed, self.tweets = day, seed, tweets
        self.notes = [f"synthetic tweets: seed {seed}, day {day}"]

    def items(self) -> Generator[Item]:
        """Envelopes in the order of their collection, nearly."""
        for tweet, collected_at in self._collected():
            raw = json.dumps(_shaped(tweet, self.seed))
            yield envelope.wrap(raw, source=self.name, collected_at=collected_at)

    def _collected(self) -> Iterator[tuple[_Tweet, datetime]]:
        draw = random.Random(f"{self.seed}/{self.day}")  # noqa: S311
        users = [f"sintetis_{name}_{number}" for number in range(1, 9) for name in NAMES]
        midnight = datetime.combine(self.day, time.min, JAKARTA).astimezone(UTC)
        for place, ms in enumerate(self._moments(draw)):
            late = place % 40 == 7
            at = midnight + timedelta(milliseconds=ms)
            collected_at = at + timedelta(seconds=draw.randrange(1, 90))
            if late:
                at -= timedelta(days=draw.randrange(1, 4))
            # A late tweet's number has bits that no tweet of its own day has.
            low = 2**21 + self.day.toordinal() % 2**11 * 2**10 + place % 2**10 if late else place % 2**21
            number = (int(at.timestamp() * 1000) - envelope.FIRST_ID_MS) * 2**22 + low
            tweet = self._said(draw, number, at, _active(draw, users), users)
            yield tweet, collected_at
            if place % 25 == 11:
                # Seen again, liked more.
                yield replace(tweet, likes=tweet.likes + 3), collected_at + timedelta(minutes=5)
            # An edit has a new id; its day stays, as it is soon after.
            if place % 30 == 13 and ms + EDIT_MS < DAY_MS and not tweet.retweet_of:
                yield self._edited(draw, tweet), collected_at + timedelta(milliseconds=EDIT_MS)

    def _moments(self, draw: random.Random) -> list[int]:
        """Milliseconds of the day, ascending; the first and the last of the day are among them."""
        hours = draw.choices(range(24), HOURS, k=max(0, round(self.tweets * (0.8 + 0.4 * draw.random())) - 2))
        return sorted([0, DAY_MS - 1000, *(hour * 3_600_000 + draw.randrange(3_600_000) for hour in hours)])

    def _said(self, draw: random.Random, number: int, at: datetime, user: str, users: list[str]) -> _Tweet:
        chance = draw.random()
        lang: str | None = "id" if chance > 0.98 else "in"
        kept, retweet_of = True, None
        if chance < 0.06:
            lang, text, named = draw.choice(FOREIGN)
            kept = False
        elif chance < 0.12:
            text, named, kept = draw.choice(PLAIN)
            lang = draw.choice(["und", None])
        else:
            text, named = draw.choice(INDONESIAN)
        text = text.format(
            u=draw.choice(users),
            l=f"https://tautan.example/{draw.randrange(16**6):06x}",
            e="".join(draw.choices(EMOJI, k=draw.randrange(1, 3))),
            n=draw.randrange(1, 30),
        )
        if 0.12 <= chance < 0.22:
            retweet_of, kept = draw.choice(users), False
            text = f"RT @{retweet_of}: {text}"
        return _Tweet(
            number, at, user, text, lang, kept, sorted(named), draw.randrange(50), draw.choice([1, 1, 2]), retweet_of
        )

    def _edited(self, draw: random.Random, tweet: _Tweet) -> _Tweet:
        """The next version of a tweet: some are about something else now."""
        text, named = (f"{tweet.text} (ralat)", tweet.instruments)
        if draw.random() < 0.5 and tweet.lang == "in":
            text, named = "ralat: maksudnya sukuk ya, bukan yang tadi", ["sukuk"]
        number = tweet.number + EDIT_MS * 2**22
        at = tweet.at + timedelta(milliseconds=EDIT_MS)
        return replace(tweet, number=number, at=at, text=text, instruments=named, edits=(tweet.number, number))


def _active(draw: random.Random, users: list[str]) -> str:
    """A user; few write much."""
    return users[int(len(users) * draw.random() ** 2)]


def _shaped(tweet: _Tweet, seed: int) -> dict[str, Any]:
    """The tweet as X API v1.1 or v2 gives it."""
    label = {"seed": seed, "kept": tweet.kept, "instruments": tweet.instruments}
    lang = {} if tweet.lang is None else {"lang": tweet.lang}
    user_id = str(zlib.crc32(tweet.user.encode()))
    if tweet.version == 1:
        whole = "full_text" if tweet.number >> 22 & 1 else "text"
        return {
            "created_at": tweet.at.strftime("%a %b %d %H:%M:%S +0000 %Y"),
            "id": tweet.number,
            "id_str": str(tweet.number),
            whole: tweet.text,
            "source": LABEL,
            "user": {"id_str": user_id, "screen_name": tweet.user},
            **({"retweeted_status": {"user": {"screen_name": tweet.retweet_of}}} if tweet.retweet_of else {}),
            **({"edit_history": {"initial_tweet_id": str(tweet.edits[0])}} if tweet.edits else {}),
            "favorite_count": tweet.likes,
            **lang,
            "synthetic": label,
        }
    return {
        "id": str(tweet.number),
        "created_at": tweet.at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "text": tweet.text,
        "source": LABEL,
        "author_id": user_id,
        "author": {"id": user_id, "username": tweet.user},
        **({"referenced_tweets": [{"type": "retweeted", "id": str(tweet.number - 1)}]} if tweet.retweet_of else {}),
        "edit_history_tweet_ids": [str(version) for version in tweet.edits or (tweet.number,)],
        "public_metrics": {"like_count": tweet.likes},
        **lang,
        "synthetic": label,
    }
