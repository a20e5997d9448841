import differences


def test_the_page_is_made_from_the_table():
    assert differences.PAGE.read_text() == differences.page(), "run .venv/bin/python tools/differences.py"


def test_probes_stand_under_their_reason_with_short_answers():
    entries = [
        {"probe": "A()", "bigquery": "STRING x", "local": f"STRING {'x' * 99}", "why": "A reason."},
        {"probe": "B()", "bigquery": "refused: no", "local": "STRING x", "why": "Another reason."},
        {"probe": "C()", "bigquery": "STRING y", "local": "STRING z", "why": "A reason."},
    ]
    assert list(differences.reasons(entries)) == [
        "- A reason.",
        f"  - `A()`: BigQuery `STRING x`, here `STRING {'x' * 12}…`",
        "  - `C()`: BigQuery `STRING y`, here `STRING z`",
        "- Another reason.",
        "  - `B()`",
    ]
