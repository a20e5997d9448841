"""Build and audit on the real local server."""

from datetime import timedelta

import pytest

from lumbung.core.errors import CheckError
from support.two_tables import DAILY, FIRST, SECOND, build_tables, published, students


@pytest.fixture
def harness(make_harness, tiny_catalog):
    return make_harness(catalog=tiny_catalog)


def test_a_table_that_fails_a_check_publishes_nothing_of_the_run(harness):
    harness.take(FIRST)
    before = harness.checksum("dwh", "datamart")
    (audited,) = harness.rows(f"SELECT checks, note FROM {{ops.run_audit}} WHERE table_name = '{DAILY}'")
    assert '"expression(n < 2)": "warning: 1"' in audited["checks"]
    assert audited["note"] == "expression(n < 2): warning: 1"

    harness.fill(students("s1", "s2", "s3", "s4"))
    with pytest.raises(CheckError, match=r"student_daily.*n < 4.*what was published stays"):
        harness.take(SECOND)
    assert harness.checksum("dwh", "datamart") == before
    assert build_tables(harness) == []
    # Whole tables of another day's run are of the newest version, which passes their checks.
    harness.fill(students("s1"))
    harness.take(FIRST - timedelta(days=1))
    assert published(harness) == (["s1", "s2", "s3", "s4"], {FIRST - timedelta(days=1): 1, FIRST: 3})
