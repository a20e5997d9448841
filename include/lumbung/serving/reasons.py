"""Reasons of rejects without what they quote of a row: for errors, for readers who may not see rows, and to count.

Only whole texts of known forms are shown, and of these only the program's own words and names of contracts. So a value
that imitates a reason, or a text that a producer sent, cannot bring anything of a row along.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING

from lumbung.serving.schema import FAILED

if TYPE_CHECKING:
    from lumbung.catalog.contract import Contract

OTHER = "another reason"
"""Of a form that is not known here."""
_LONGEST = 2_000  # characters; a longer reason quotes a value that no form should be looked for in
_MOST_PREFIXES = 10

_NAMES = {"name": r"(\w+)", "names": r"(\w+(?:, \w+){0,9})", "field": r"(.{1,300}?)"}
_COUNTS = {"n": "([0-9][0-9,]{0,11}|…)", "byte": "(0x[0-9a-f]{2}|…)", "cell": "([A-Z]{1,3}[0-9]{1,7}|…)"}
_WORDS = {
    "kind": "(a string|a number|a boolean|an array|an object|null)",
    "encoding": "((?:UTF-8|UTF-16|UTF-32|CP1252|ISO8859-15?)(?:-[LB]E)?)",
}
_HOLES = {**_NAMES, **_COUNTS, **_WORDS, "value": "(.*)"}

# The texts are those of `lumbung.sources` and `lumbung.pipeline`.
_FORMS = (
    "key column {name} is null",
    "key column {name} is blank",
    "required column {name} is null",
    "column {name}: {value} is not a day YYYY-MM-DD from year 0001 on",
    "column {name}: {value} is not a timestamp YYYY-MM-DD[T| ]HH:MM[:SS[.fraction]][Z|±HH:MM]"
    " or a day YYYY-MM-DD of years 0001 to 9999",
    "column {name}: {value} is not a number with the decimal mark ','",
    "column {name}: {value} is not a number with the decimal mark '.'",
    "column {name}: {value} is not one of {value}",
    "expected {n} columns, found {n}",
    "expected {n} columns, found {n}; the line ends in a delimiter",
    "the row is longer than {n} characters",
    "the row is longer than {n} bytes",
    "byte {byte} at position {n} of the row is not {encoding}",
    "byte {byte} at position {n} of the row is not {encoding}; encoding: cp1252 in the contract would read {value}",
    "byte {byte} at position {n} of the row is not {value}",
    "the row is UTF-8, not {encoding}",
    "the row is UTF-8, not {value}",
    "broken quote: it is opened and not closed",
    "broken quote: it does not enclose a whole value, at character {n}",
    "lone carriage return, at character {n}",
    "not JSON: {value}, column {n}",
    "the row is nested too deeply",
    "the row is {kind}, not an object",
    "the fields differ, {value}",
    "field {field} is {kind}, expected a string or null",
    "field {field} holds a lone surrogate, which is not a character",
    "{n} rows with the same {names} and different contents",
    "an identical repeat of line {n}",
    "an identical repeat of row {n}",
)
# Of a cell of a sheet; a row may have several.
_CELLS = (
    "{field}!{cell} is a formula without a value: let a spreadsheet program calculate it and save the file",
    "{field}!{cell} is the error {value}",
    "{field}!{cell} is not a finite number",
    "{field}!{cell} is not a date: {value} is outside the calendar",
    "{field}!{cell} holds a lone surrogate, which is not a character",
    "{field}!{cell} stands in a column without a name in the header",
)
# Of messages: behind the file they came from, and before its line.
_MESSAGES = (
    *_FORMS,
    "the message has no value",
    "the message is not JSON",
    "the message is not a JSON object",
    "seq is not a whole number from 0",
    "{name} is missing",
    "{name} is not a text of 1 to 1,000 characters",
    "{name} is not Unicode text",
    "{name} is not a whole number from 1 to 5",
    "{name} is not a whole number from 0 to 23",
    "minutes is not a number from 0",
    "completed is neither true nor false",
    "event_at is not a time with a zone, such as 2026-09-01T13:02:11.250Z, from 1970 to 2099",
    "not a JSON object: {value}",
    "not a JSON object",
    "the row cannot be written as JSON ({value})",
    "a row of {n} bytes; a message may have {n}",
    "a tweet of {n} bytes; a message may have {n}",
    "not sent: the replay of {value} was given up",
    "the envelope has no {value}",
    "the envelope's source is not text",
    "the envelope's tweet is not a JSON object",
    "the envelope's refused line is incomplete",
    "JSON nested too deeply",
    "not JSON: {value}",
    "not UTF-8: {value}",
    "more than one JSON value",
    "the tweet is not a JSON object",
    "the tweet has no text",
    *(f"the tweet has no {name}" for name in ("id", "created_at")),
    *(f"{name} is not a tweet id" for name in ("id", "id_str", "an id of the edit history")),
    "edit_history.initial_tweet_id is not a tweet id",
    *(f"{name} {fault}" for name in ("created_at", "collected_at") for fault in ("is not a time", "has no time zone")),
    "created_at is in the year {value}",
    "edit_history is not a JSON object",
    "the edit history is not a list",
    "the rest of the file cannot be read: {value}",
)
_NEAR = ("only the case differs", "only blanks differ", "only case, blanks or leading zeros differ")
_REFERENCE = re.compile(rf"{_NAMES['names']} .* is not in (\w+)", re.DOTALL)
_NEAR_REFERENCE = re.compile(rf"{_REFERENCE.pattern}(?:, which has .*)?", re.DOTALL)
_LINE = re.compile(r" \(line [0-9]+\)\Z")

# Of errors. A server's own words may quote a value in any way, so nothing of them is shown. The place, before them, and
# the remedy, which ends the text, are ours: nothing that a value holds is taken for them.
_HIDDEN = "those who may see rows see why"
_PLACE = rf"(?P<place>(?:{FAILED})?(?:[^:\n]|:(?! )){{1,300}}: )"
_POSTGRESQL = re.compile(
    rf"{_PLACE}(?P<what>the query failed|reading stopped), .*[.?] "
    r"(?P<remedy>(?:Run again; if it stays, fix what it says"
    r"|Fix what the server reports(?:, then run again|, or the (?:query|table) in [\w.-]+)?)\.)\Z",
    re.DOTALL,
)
_EARLIER = r"\w+ the query or the data\."  # records of earlier releases say it with another verb
_CHECKED = "Fix the source or the query; nothing of this run is published, what was published stays."
# What `too_many` has written.
_FIRST = " the first: "
_REMEDY = re.compile(
    r"(?:Fix the source(?: and run the day again with --refresh)?(?: \(the rejects are in [\w.]+\))?"
    r"(?:, or (?:raise max_rejects in|lower min_rows in|correct) [\w./-]+)?|Spell the keys alike in both sources"
    r" \(PostgreSQL prints a uuid in lower case and an integer without leading zeros; a query: in the contract may say"
    r" upper\(id::text\)\), and run the day again with --refresh)\.\Z"
)
_CAUSE = re.compile(r" \(rows rejected there: [^()]*\)\Z")
_LONGEST_ERROR = 20_000  # characters
_OPENING = re.compile(r"(?<!\w)['\"]")  # a quote after a letter is an apostrophe
_CLOSING = re.compile(r"['\"](?!\w)")
_LONG_NUMBER = re.compile(r"(?<![\w-])(?![0-9]{4}-[0-9]{2}-[0-9]{2}\b)[0-9][0-9-]{4,}[0-9]\b")


def names_of(contracts: Iterable[Contract]) -> frozenset[str]:
    """The names that reasons may show: of columns, here and in the source, of tables and of sheets."""
    names: set[str] = set()
    for contract in contracts:
        names |= {contract.table, *(reference.table for reference in contract.references)}
        names |= {name for column in contract.columns for name in (column.name, column.source_name)}
        if contract.source and contract.source.sheet:
            names.add(contract.source.sheet)
    return frozenset(names)


def without_values(reason: str, names: Collection[str], *, counts: bool = False) -> str:
    """The reason with `…` for each value in it; `OTHER`, where its form is not known.

    Example:
        `course_id c9 is not in course` becomes `course_id … is not in course`.

    Args:
        reason: a reject's.
        names: names of contracts, see `names_of`.
        counts: whether numbers of lines, columns and characters stay; without them alike reasons are equal.
    """
    if len(reason) > _LONGEST:
        return OTHER
    said = (
        _known(reason, _FORMS, names, counts=counts)
        or _references(reason, names)
        or _cells(reason, names, counts=counts)
        or _message(_LINE.sub("", reason), names, counts=counts)
    )
    return said or OTHER


def error_without_values(error: str, names: Collection[str]) -> str:
    """An error's text, as a record has it, for readers who may not see rows.

    Of what the warehouse or PostgreSQL has said only the place and the remedy are left, of any other error all but what
    is in quotes and long numbers.

    Args:
        error: the text; of earlier releases it has the whole reason of a reject.
        names: names of contracts, see `names_of`.
    """
    if said := _POSTGRESQL.fullmatch(error):
        return f"{said['place']}{said['what']}; {_HIDDEN}. {said['remedy']}"
    if said := _of_warehouse().fullmatch(error):
        return f"{said['place'] or ''}a request to the warehouse failed; {_HIDDEN}. {said['remedy']}"
    if len(error) > _LONGEST_ERROR:
        place = re.match(_PLACE, error)
        return f"{_without_quotes(place[0]) if place else ''}{_HIDDEN}."
    if error.endswith(_CHECKED):
        return "; ".join(map(_without_quotes, error.split("; ")))  # each check with its count
    before, first, rest = error.partition(_FIRST)
    if not first:
        return _without_quotes(error)
    match = _REMEDY.search(rest)
    reason, remedy = (rest[: match.start()], match[0]) if match else (rest, "")
    shown = without_values(_CAUSE.sub("", reason.rstrip().removesuffix(".")), names, counts=True)
    return f"{_without_quotes(before)}{first}{shown}. {remedy}".rstrip()


@cache
def _of_warehouse() -> re.Pattern[str]:
    # Google's client takes long to import, and who writes reasons needs none of it.
    from lumbung.storage.client_errors import REMEDIES

    remedies = [re.escape(f"{remedy[:1].upper()}{remedy[1:]}.") for remedy in REMEDIES]
    return re.compile(rf"{_PLACE}?.*[.?] (?P<remedy>{'|'.join([*remedies, _EARLIER])})", re.DOTALL)


def _without_quotes(text: str) -> str:
    """The text without long numbers and without all from the first quote to the last one: a value may hold more."""
    if first := _OPENING.search(text):
        quoted = text[first.end() :]
        ends = [quote.end() for quote in _CLOSING.finditer(quoted)]
        behind = quoted[ends[-1] :] if ends else ""
        text = f"{text[: first.start()]}…{'' if _OPENING.search(behind) else behind}"  # one may have been cut off
    return _LONG_NUMBER.sub("…", text)


@cache
def _compiled(forms: Sequence[str]) -> list[tuple[list[str], re.Pattern[str]]]:
    """Each form in parts, a hole's name at every second place, and what matches a text of that form."""
    parts = [re.split(r"\{(\w+)\}", form) for form in forms]
    return [
        (each, re.compile("".join(_HOLES[part] if at % 2 else re.escape(part) for at, part in enumerate(each)), re.S))
        for each in parts
    ]


def _known(text: str, forms: Sequence[str], names: Collection[str], *, counts: bool) -> str | None:
    """The text in the words of the first form that it has; None: it has none of them."""
    for parts, pattern in _compiled(forms):
        match = pattern.fullmatch(text)
        if match is None:
            continue
        said, values = list(parts), iter(match.groups())
        for at in range(1, len(parts), 2):
            value, hole = next(values), parts[at]
            if hole in _NAMES and not _are_names(value, names):
                break
            said[at] = value if hole in _NAMES or hole in _WORDS or (counts and hole in _COUNTS) else "…"
        else:
            return "".join(said)
    return None


def _are_names(text: str, names: Collection[str]) -> bool:
    return text in names or all(name in names for name in text.split(", "))


def _references(reason: str, names: Collection[str]) -> str | None:
    """The reason of a row that refers to missing ones: its references, of which a value may hold a semicolon."""
    said, begun = [], ""
    for part in reason.split("; "):
        begun = f"{begun}; {part}" if begun else part
        if (reference := _reference(begun, names)) is not None:
            said.append(reference)
            begun = ""
    return None if begun else "; ".join(said)


def _reference(text: str, names: Collection[str]) -> str | None:
    near = next((words for words in _NEAR if text.endswith(f": {words}")), "")
    match = _NEAR_REFERENCE.fullmatch(text.removesuffix(f": {near}")) if near else _REFERENCE.fullmatch(text)
    if match is None or not all(_are_names(group, names) for group in match.groups()):
        return None
    return f"{match[1]} … is not in {match[2]}{near and f': {near}'}"


def _cells(reason: str, names: Collection[str], *, counts: bool) -> str | None:
    said = [_known(part, _CELLS, names, counts=counts) for part in reason.split("; ")]
    return None if None in said else "; ".join(filter(None, said))


def _message(reason: str, names: Collection[str], *, counts: bool) -> str | None:
    for text in _endings(reason):
        if said := _known(text, _MESSAGES, names, counts=counts):
            return said
    return None


def _endings(reason: str) -> Iterator[str]:
    """The text, and what stands behind each of its first colons."""
    for _ in range(_MOST_PREFIXES):
        yield reason
        _, colon, reason = reason.partition(": ")
        if not colon:
            return
