"""What the API server itself puts into pages: that an answer is the last good one, and why there is none."""

from __future__ import annotations

from datetime import UTC, datetime

from markupsafe import Markup

from lumbung_airflow.pages.answers import Answer, Problem

MAIN = b"<main>"
LATE_SECONDS, RELOAD_SECONDS = 2, 10
PROBLEM = Markup(
    '<p class="stale warn" role="status"><span lang="id" data-language="id">Ini jawaban terakhir, {age_id}:</span>'
    ' <span lang="en" data-language="en">This is the last good answer, {age}:</span>'
    ' <span lang="en">{what}</span></p>\n'
)
SAVE = Markup(
    '<p class="save"><a href="{href}"><span lang="id" data-language="id">Simpan sebagai berkas</span>'
    ' <span lang="en" data-language="en">Save as file</span></a></p>\n'
)
REFRESH = Markup('<meta http-equiv="refresh" content="{seconds}">\n')
AGAIN = Markup('This page asks again by itself. <span lang="id">/ Halaman ini mencoba lagi sendiri.</span>')
OTHERS = Markup(
    'Go to the <a href="{root}/report">report</a> or the <a href="{root}/catalogue">catalogue</a>.'
    ' <span lang="id">/ Buka <a href="{root}/report">laporan</a> atau <a href="{root}/catalogue">katalog</a>.</span>'
)
REFUSALS = {
    403: ("Not allowed", "Tidak boleh", "Your user has no permission to see this page; ask who administers Airflow."),
    404: ("Not found", "Tidak ada", "There is no page, run or table with this address."),
}
NO_PAGE = Markup(
    """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
{refresh}<title>Lumbung: {title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{root}/static/style.css">
</head>
<body>
<main>
<h1>{title} <small lang="id">/ {title_id}</small></h1>
<section>
<p class="answer">{message}</p>
<p class="note">{note}</p>
</section>
</main>
</body>
</html>
"""
)


def with_notes(answer: Answer, now: datetime, save: str = "") -> bytes:
    """The page, and above it whether there should be a newer one, and where it can be had as a file.

    Args:
        answer: the page.
        now: the time it is.
        save: address of the file; empty: there is none.
    """
    notes = SAVE.format(href=save) if save else Markup("")
    if answer.problem:
        age, age_id = _age(datetime.fromtimestamp(answer.made_at, UTC), now)
        notes = PROBLEM.format(age=age, age_id=age_id, what=answer.problem.what) + notes
    return answer.body.replace(MAIN, MAIN + notes.encode(), 1)


def problem_page(problem: Problem, root: str) -> str:
    """A page that says why there is none, and asks again.

    Args:
        problem: why.
        root: address of the app.
    """
    title, title_id = ("Just a moment", "Sebentar") if problem.is_late else ("No answer", "Belum ada jawaban")
    message = f"{problem.where}: {problem.what}." if problem.where else f"{problem.what[:1].upper()}{problem.what[1:]}."
    remedy = problem.remedy or "reload the page"
    return NO_PAGE.format(
        refresh=REFRESH.format(seconds=LATE_SECONDS if problem.is_late else RELOAD_SECONDS),
        title=title,
        title_id=title_id,
        message=f"{message} {remedy[:1].upper()}{remedy[1:]}.",
        note=AGAIN,
        root=root,
    )


def refusal_page(status: int, root: str) -> str:
    """A page for a person who asked for what there is not, or for what others may see.

    Args:
        status: of HTTP.
        root: address of the app.
    """
    title, title_id, message = REFUSALS.get(status, ("Not possible", "Tidak bisa", f"Refused with status {status}."))
    note = OTHERS.format(root=root)
    return NO_PAGE.format(refresh="", title=title, title_id=title_id, message=message, note=note, root=root)


def _age(then: datetime, now: datetime) -> tuple[str, str]:
    """How long ago something was, in English and in Indonesian."""
    seconds = max(0, round((now - then).total_seconds()))
    for size, english, indonesian in ((86400, "day", "hari"), (3600, "hour", "jam"), (60, "minute", "menit")):
        if seconds >= size:
            count = seconds // size
            return f"{count} {english}{'' if count == 1 else 's'} ago", f"{count} {indonesian} lalu"
    return "just now", "baru saja"
