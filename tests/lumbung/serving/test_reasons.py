"""Reasons without what they quote of a row."""

import pytest

from lumbung.serving.reasons import without_values


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("key column id is null", "key column id is null"),
        ("course_id c9 is not in course", "course_id … is not in course"),
        ("student_id Budi is not in b is not in student", "student_id … is not in student"),
        (
            "student_id s0 is not in student; course_id c 9; x is not in course",
            "student_id … is not in student; course_id … is not in course",
        ),
        (
            "student_id S1 is not in student, which has s1: only the case differs",
            "student_id … is not in student: only the case differs",
        ),
        ("a, b x, y is not in t", "a, b … is not in t"),
        ("column born: '1999-01-32' is not a day", "column born: … is not a day"),
        ("column name: \"O'Neil\" is not one of 'a', 'b\\'c'", "column name: … is not one of …, …"),
        ("byte 0xff at position 1,234 of the row is not UTF-8", "byte … at position … of the row is not UTF-8"),
        ("identical to line 17", "identical to line …"),
    ],
)
def test_values_and_numbers_are_left_out(reason: str, expected: str) -> None:
    assert without_values(reason) == expected
