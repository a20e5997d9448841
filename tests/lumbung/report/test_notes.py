"""What tasks note, in both languages."""

import pytest

from lumbung.report.language import Language
from lumbung.report.notes import outcome, translated

ID, EN = Language("id"), Language("en")


@pytest.mark.parametrize(
    ("note", "indonesian", "english"),
    [
        ("", "", ""),
        ("11 tables unchanged, not copied", "11 tabel tidak berubah, tidak disalin", "11 tables unchanged, not copied"),
        ("1 table unchanged, not copied", "1 tabel tidak berubah, tidak disalin", "1 table unchanged, not copied"),
        (
            "generation 2; rows of 2026-11-20 17:30 UTC",
            "pengambilan ke-2; baris pada 21 November 2026, 00:30 WIB",
            "generation 2; rows of 21 November 2026, 00:30 WIB",
        ),
        (
            "version 2026-12-01 generation 1; dwh from 2026-12-02 generation 3",
            "versi 1 Desember 2026, pengambilan ke-1; dwh dari 2 Desember 2026, pengambilan ke-3",
            "version 1 December 2026, generation 1; dwh from 2 December 2026, generation 3",
        ),
        (
            "daily tables of 2026-11-20 skipped: superseded",
            "tabel harian 20 November 2026 dilewati: sudah ada versi yang lebih baru",
            "daily tables of 20 November 2026 skipped: a newer version exists",
        ),
        (
            "unchanged, not built again; expression(n < 2): warning: 1",
            "tidak berubah, tidak dibuat lagi; <code>expression(n &lt; 2)</code>: 1 pelanggaran, dicatat",
            "unchanged, not built again; <code>expression(n &lt; 2)</code>: 1 violation, noted",
        ),
    ],
)
def test_known_notes_are_in_both_languages(note: str, indonesian: str, english: str) -> None:
    assert (translated(ID, note), translated(EN, note)) == (indonesian, english)


def test_other_notes_are_marked_as_english() -> None:
    assert (
        translated(ID, "2 days; <b>new</b>")
        == '<bdi lang="en">2 days</bdi>; <bdi lang="en">&lt;b&gt;new&lt;/b&gt;</bdi>'
    )


def test_what_came_of_a_check() -> None:
    assert (outcome(ID, "warning: 1200"), outcome(EN, "warning: 1200")) == (
        "1.200 pelanggaran, dicatat",
        "1,200 violations, noted",
    )
    assert outcome(ID, "not run") == '<bdi lang="en">not run</bdi>'
