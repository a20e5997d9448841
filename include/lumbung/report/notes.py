"""What tasks note, in the reader's language: they note it in English.

A part that is not known here stays as it is and is marked as English.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

from markupsafe import Markup

from lumbung.report.language import Language, shown

# (what a part of a note looks like, the same in Indonesian, and in English)
DAY = r"(?P<day>\d{4}-\d\d-\d\d)"
KNOWN = (
    (r"rows of (?P<moment>\d{4}-\d\d-\d\d \d\d:\d\d) UTC", "baris pada {moment}", "rows of {moment}"),
    (r"unchanged, not built again", "tidak berubah, tidak dibuat lagi", "unchanged, not built again"),
    (r"unchanged, not loaded again", "tidak berubah, tidak dimuat lagi", "unchanged, not loaded again"),
    (
        r"(?P<n>\d+) (?P<noun>tables?) unchanged, not copied",
        "{n} tabel tidak berubah, tidak disalin",
        "{n} {noun} unchanged, not copied",
    ),
    (
        r"whole tables skipped: superseded",
        "tabel utuh dilewati: sudah ada versi yang lebih baru",
        "whole tables skipped: a newer version exists",
    ),
    (
        rf"daily tables of {DAY} skipped: superseded",
        "tabel harian {day} dilewati: sudah ada versi yang lebih baru",
        "daily tables of {day} skipped: a newer version exists",
    ),
    (
        rf"version {DAY} generation (?P<n>\d+)",
        "versi {day}, pengambilan ke-{n}",
        "version {day}, generation {n}",
    ),
    (rf"dwh from {DAY} generation (?P<n>\d+)", "dwh dari {day}, pengambilan ke-{n}", "dwh from {day}, generation {n}"),
    (r"refused", "ditolak, tidak dimuat", "refused, not loaded"),
    (r"generation (?P<n>\d+)", "pengambilan ke-{n}", "generation {n}"),
    (
        r"generation (?P<n>\d+), the file is that of generation (?P<same>\d+): not read again",
        "pengambilan ke-{n}, berkasnya sama dengan pengambilan ke-{same}: tidak dibaca lagi",
        "generation {n}, the file is that of generation {same}: not read again",
    ),
)


def translated(language: Language, note: str) -> Markup:
    """A note, part by part."""
    return Markup("; ").join(_part(language, part) for part in note.split("; ") if part)


def outcome(language: Language, text: str) -> Markup:
    """What came of a check that did not pass: `warning: 3` is of severity `warn`, with 3 violations."""
    kind, _, count = text.partition(": ")
    if kind == "warning" and count.isdecimal():
        return language.say(
            "{n}, dicatat", "{n}, noted", n=language.count(int(count), "pelanggaran", "violation", "violations")
        )
    return _english(text)


def _part(language: Language, part: str) -> Markup:
    for form, indonesian, english in KNOWN:
        if match := re.fullmatch(form, part):
            values = {name: _value(language, name, text) for name, text in match.groupdict().items()}
            return language.say(indonesian, english, **values)
    name, separator, count = part.rpartition(": warning: ")  # of a check, in a build's note
    if separator:
        return Markup("<code>{}</code>: {}").format(shown(name), outcome(language, f"warning: {count}"))
    return _english(part)


def _value(language: Language, name: str, text: str) -> str:
    if name == "day":
        return language.day(date.fromisoformat(text))
    if name == "moment":
        return language.moment(datetime.fromisoformat(text).replace(tzinfo=UTC))
    return text if name == "noun" else language.number(int(text))


def _english(text: str) -> Markup:
    return Markup('<bdi lang="en">{}</bdi>').format(shown(text))
