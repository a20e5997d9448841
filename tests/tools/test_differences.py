import differences


def test_the_page_is_made_from_the_table():
    assert differences.PAGE.read_text() == differences.page(), "run .venv/bin/python tools/differences.py"


def test_a_row_has_short_answers_and_escaped_bars():
    entry = {"probe": "'a' || NULL", "bigquery": "refused: no", "local": f"STRING {'x' * 99}", "why": "A reason."}
    assert differences.row(entry) == f"| `'a' \\|\\| NULL` | refused | `STRING: {'x' * 61}…` | A reason. |"
