import pytest

from lumbung.core.errors import LumbungError, first_line


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("one\ntwo"), "one"),
        (ValueError("\n one \r\ntwo\n"), "one "),
        (ValueError(" \n"), "ValueError"),
        (TimeoutError(), "TimeoutError"),
        (LumbungError("it broke", where="a.csv", remedy="run again"), "a.csv: it broke. Run again."),
    ],
)
def test_first_line(error, line):
    assert first_line(error) == line
