"""What the report says in each of its languages: sentences, numbers, dates."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from markupsafe import Markup

from lumbung.core.day import JAKARTA
from lumbung.core.errors import LumbungError

MONTHS = {
    "id": [
        "Januari",
        "Februari",
        "Maret",
        "April",
        "Mei",
        "Juni",
        "Juli",
        "Agustus",
        "September",
        "Oktober",
        "November",
        "Desember",
    ],
    "en": [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ],
}
STATES = {"success": "berhasil", "failed": "gagal", "running": "sedang berjalan", "queued": "menunggu"}
CLAMPED = 60  # a chart shows three lines of a name: longer ones may be cut, and have a title
JOINERS = "\u200c\u200d"  # seen only in what they join, as in many emoji and in Persian


def shown(text: str) -> str:
    r"""The text with characters that cannot be seen, or that reorder the line, spelled out (`\n`, `\u202e`)."""
    return "".join(
        c.encode("unicode_escape").decode()
        if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} and c not in JOINERS
        else c
        for c in text
    )


def wrapped(text: str) -> Markup:
    """A name or an expression that may go on in the next line at a sign, and not within a word or before `.csv`."""
    return Markup("<wbr>").join(re.split(r"(?<=[_(,|/])(?=\w)|(?<=\.)(?=\w{5})|(?=!)", shown(text)))


@dataclass(frozen=True)
class Language:
    """One of the report's two languages; every text is given in both."""

    code: Literal["id", "en"]

    def say(self, indonesian: str, english: str, **values: object) -> Markup:
        """The text of this language; `{name}` in it is replaced by that value, escaped."""
        # The texts are the page's own, never data: only the values need escaping.
        return Markup(indonesian if self.code == "id" else english).format(**values)  # noqa: S704

    def number(self, value: int) -> str:
        """1234567 as 1.234.567 or 1,234,567."""
        return f"{value:,}".replace(",", "." if self.code == "id" else ",")

    def seconds(self, value: float) -> str:
        """12.345 seconds as 12,3 or 12.3."""
        return f"{value:.1f}".replace(".", "," if self.code == "id" else ".")

    def state(self, state: str) -> str:
        """The state of a run of Airflow."""
        return STATES.get(state, state) if self.code == "id" else state

    def count(self, value: int, indonesian: str, one: str, many: str) -> Markup:
        """A number and its noun; Indonesian has one form, English two.

        Args:
            value: how many.
            indonesian: the noun in Indonesian.
            one: the noun in English, singular.
            many: the noun in English, plural.
        """
        return self.say(f"{{n}} {indonesian}", f"{{n}} {one if value == 1 else many}", n=self.number(value))

    def units(self, value: int, indonesian: str, one: str, many: str) -> Markup:
        """As `count`, for values in charts: the noun is smaller.

        Args:
            value: how many.
            indonesian: the noun in Indonesian.
            one: the noun in English, singular.
            many: the noun in English, plural.
        """
        noun = indonesian if self.code == "id" else one if value == 1 else many
        return Markup("{} <small>{}</small>").format(self.number(value), noun)

    def share(self, part: int, total: int) -> str:
        """A part as a percentage: 12,5 % or 12.5 %."""
        percent = f"{100 * part / (total or 1):.1f} %"
        return percent.replace(".", ",") if self.code == "id" else percent

    def day(self, value: date) -> str:
        """21 November 2026."""
        return f"{value.day} {MONTHS[self.code][value.month - 1]} {value.year}"

    def moment(self, value: datetime) -> str:
        """21 November 2026, 00:31 WIB (Jakarta's time).

        Raises:
            LumbungError: the time has no zone, so it is not known which moment it is.
        """
        if value.tzinfo is None:
            raise LumbungError("a time without a zone", where=str(value), remedy="give the report times with a zone")
        local = value.astimezone(JAKARTA)
        return f"{self.day(local)}, {local:%H:%M} WIB"

    def name(self, value: str, indonesian: str, english: str) -> Markup:
        """A name from the data, kept apart from the line's direction; a blank one is replaced by a text.

        Args:
            value: the name as the data have it.
            indonesian: what stands for a missing one in Indonesian.
            english: the same in English.
        """
        if value.strip():
            title = Markup(' title="{}"').format(shown(value)) if len(value) > CLAMPED else ""
            return Markup("<bdi{}>{}</bdi>").format(title, shown(value))
        return Markup('<i class="blank">{}</i>').format(self.say(indonesian, english))

    def leaders(self, names: list[str], indonesian: str, english: str) -> Markup:
        """Those in front: up to three by name (A, B dan C), more by number (4 kota; 4 cities).

        Args:
            names: the names.
            indonesian: the noun in Indonesian.
            english: the noun in English, plural.
        """
        if len(names) > 3:
            return self.count(len(names), indonesian, english, english)
        said = [self.name(name, "tanpa nama", "no name given") for name in names]
        if len(said) < 2:
            return Markup("").join(said)
        return self.say("{first} dan {last}", "{first} and {last}", first=Markup(", ").join(said[:-1]), last=said[-1])

    def each(self, names: list[str]) -> Markup:
        """Whether a number holds for each of several names; "" for a single one."""
        return self.say('<span class="nowrap">masing-masing</span> ', " each") if len(names) > 1 else Markup("")


LANGUAGES = (Language("id"), Language("en"))
