"""Raw tweets made up to be nasty: no person wrote them."""

import hashlib
import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

DAY = date(2026, 11, 25)
BEGIN = datetime(2026, 11, 24, 17, tzinfo=UTC)  # midnight in Jakarta
SCHEMA = pa.schema(
    [
        ("identity", pa.string()),
        ("edit_id", pa.int64()),
        ("collected_at", pa.timestamp("us", "UTC")),
        ("created_at", pa.timestamp("us", "UTC")),
        ("user_name", pa.string()),
        ("lang", pa.string()),
        ("is_retweet", pa.bool_()),
        ("text", pa.string()),
        ("sha256", pa.string()),
        ("raw", pa.string()),
    ]
)
WORDS = (
    "saham Saham SAHAM sahamku sahamkulah sahaman bersaham saham2 _saham saham-saham reksadana reksa dana reksa-dana",
    "Reksa Dana sukuk sukukata suku dan beli jual naik turun hari ini besok gue aku the moon é É ß İ ı ﬁ ſaham K",
    "株 سهم ۝ שלום ไทย हिन्दी 𝗦𝗔𝗛𝗔𝗠 # @ & . , / - _ ' ( ) < > % \\ $ ^ * [ ] { } | ~ ` ...",
)
PIECES = [
    *(word for line in WORDS for word in line.split()),
    *(
        "#SahamIndonesia",
        "#sahamindonesia",
        "#BeliSaham",
        "#ReksaDana",
        "#SukukRI",
        "#sahamBBCA",
        "#SAHAM",
        "＃BeliSaham",
    ),
    *("https://t.co/AbC1", "http://saham.example/a?b=1&amp;c", "www.saham.example", "HTTPS://X.example/@a", "https://"),
    *("@sahamgain", "＠saham", "budi@saham.example", "@a@b", "RT @a:", "&#64;saham"),
    *("&amp;", "&lt;", "&amp;lt;", "&eacute;", "&#x1F680;", "&#0;", "&#xD800;", "&bogus;", "&nbsp;", "&#8203;", "&"),
    *("👩‍👩‍👧", "❤️", "🏳️‍🌈", "👍🏽", "🇮🇩", "1️⃣", "🏴\U000e0067\U000e007f", "🚀", "\u200d", "\ufe0f", "\U0001fae9"),
    *("\n", "\r\n", "\t", "\x0b", "\x1c", "\x85", "\xa0", "\u2003", "\u2028", "\u3000", " ", "  "),
    *(
        "\x00",
        "\x07",
        "\x1b",
        "\x7f",
        "\x9f",
        "\xad",
        "\u200b",
        "\u200c",
        "\u200e",
        "\u202e",
        "\u2066",
        "\ufeff",
        "\ue000",
    ),
    *("e\u0301", "\u0301", "a\u0323\u0307", "\u1100\u1161\u11a8", "\u212b", "\u2126", "\ufb1d", "\u0f73"),
]


def nasty_text(dice: random.Random) -> str:
    """Pieces put together, often without a space between."""
    return "".join(dice.choice(PIECES) + dice.choice(("", " ", " ")) for _ in range(dice.randint(0, 14)))


def nasty_rows(count: int, seed: int = 5) -> list[dict[str, object]]:
    """Rows of the lake's raw files: of few enough tweets that most come in several versions, copies and ties."""
    dice = random.Random(seed)
    rows = []
    for number in range(count):
        identity = 1_990_000_000_000_000_000 + dice.randint(1, count // 2)
        content = nasty_text(dice)
        row = {
            "identity": str(identity),
            "edit_id": identity + dice.choice((0, 0, 0, 7, 8)),
            "collected_at": BEGIN + timedelta(seconds=dice.choice((0, 0, 90_000, 90_001))),
            "created_at": BEGIN
            + timedelta(microseconds=dice.choice((-1, 0, 1, 43_200_000_000, 86_399_999_999, 86_400_000_000))),
            "user_name": dice.choice((None, "budi", "Siti_9", "日本")),
            "lang": dice.choice(("in", "in", "in", "id", "IN", "en", "ms", None, "und", "qme", "")),
            "is_retweet": dice.random() < 0.1,
            "text": content,
            "sha256": hashlib.sha256(f"{number}".encode()).hexdigest(),
            "raw": "{}",
        }
        rows += [row] * dice.choice((1, 1, 1, 2))
    return rows


def write(rows: list[dict[str, object]], folder: Path, files: int = 3) -> list[str]:
    """Write rows as raw files; gives their paths."""
    paths = [folder / f"raw-{number}.parquet" for number in range(files)]
    for number, path in enumerate(paths):
        pq.write_table(pa.Table.from_pylist(rows[number::files], SCHEMA), path, compression="zstd")
    return [str(path) for path in paths]
