"""What the API server itself puts into pages: how old an answer is, and why there is none."""

from __future__ import annotations

from datetime import UTC, datetime

from markupsafe import Markup

from lumbung.core.day import JAKARTA
from lumbung_airflow.pages.answers import Answer, Problem

MAIN = b"<main>"
RELOAD_SECONDS = 10
BAR = Markup(
    '<div class="status" role="status"><p>{problem}<span>Data {day}, generation {generation}; '
    '<span lang="id">terbit {when} WIB ({age_id})</span> · published {age}</span> {links}</p></div>\n'
)
PROBLEM = Markup(
    '<b class="warn"><span lang="id">Jawaban terakhir, {age_id}</span> · last good answer, {age}: {what}</b> '
)
LINK = Markup('<a href="{href}"><span lang="id">Simpan sebagai berkas</span> · Save as file</a>')
PROBLEM_PAGE = Markup(
    """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="refresh" content="{seconds}">
<title>Lumbung: no answer</title>
<link rel="icon" href="data:,">
</head>
<body>
<main>
<h1>No answer / <span lang="id">Belum ada jawaban</span></h1>
<p>{what}.</p>
<p>{where}</p>
<p>{remedy}.</p>
<p>This page asks again every {seconds} seconds. /
<span lang="id">Halaman ini mencoba lagi tiap {seconds} detik.</span></p>
</main>
</body>
</html>
"""
)


def with_status(answer: Answer, now: datetime, save: str = "") -> bytes:
    """The page with a line that says its day, generation and age, and whether there should be a newer one.

    Args:
        answer: the page.
        now: the time it is.
        save: where the page can be had as a file; empty: nowhere.
    """
    facts = answer.facts
    published = datetime.fromisoformat(facts["published_at"])
    age, age_id = _age(published, now)
    problem = Markup("")
    if answer.problem:
        made, made_id = _age(datetime.fromtimestamp(answer.made_at, UTC), now)
        problem = PROBLEM.format(age=made, age_id=made_id, what=answer.problem.what)
    bar = BAR.format(
        problem=problem,
        day=facts["day"],
        generation=facts["generation"],
        when=f"{published.astimezone(JAKARTA):%Y-%m-%d %H:%M}",
        age=age,
        age_id=age_id,
        links=LINK.format(href=save) if save else "",
    )
    return answer.body.replace(MAIN, bar.encode() + MAIN, 1)


def problem_page(problem: Problem) -> str:
    """A page that says why there is none, and asks again."""
    return PROBLEM_PAGE.format(
        seconds=RELOAD_SECONDS, what=problem.what, where=problem.where, remedy=problem.remedy or "reload the page"
    )


def _age(then: datetime, now: datetime) -> tuple[str, str]:
    """How long ago something was, in English and in Indonesian."""
    seconds = max(0, round((now - then).total_seconds()))
    for size, english, indonesian in ((86400, "day", "hari"), (3600, "hour", "jam"), (60, "minute", "menit")):
        if seconds >= size:
            count = seconds // size
            return f"{count} {english}{'' if count == 1 else 's'} ago", f"{count} {indonesian} lalu"
    return "just now", "baru saja"
