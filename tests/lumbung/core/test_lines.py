import io

import pytest

from lumbung.core.lines import bounded_lines


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"", []),
        (b"a", [(1, b"a")]),
        (b"a\n\r\nb\n", [(1, b"a\n"), (2, b"\r\n"), (3, b"b\n")]),
        (b"1234\nb", [(1, b"1234\n"), (2, b"b")]),
        (b"12345\nb", [(1, b"12345\n"), (2, b"b")]),
        (b"123456\nb", [(1, b"123456"), (2, b"b")]),
        (b"1234567890123456789\nb\n", [(1, b"123456"), (2, b"b\n")]),
        (b"1234567890123456789", [(1, b"123456")]),
    ],
)
def test_a_line_is_cut_one_byte_after_the_bound(content, lines):
    assert list(bounded_lines(io.BytesIO(content), 5)) == lines
