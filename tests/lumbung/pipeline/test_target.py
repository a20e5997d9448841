"""What a run's tasks pass to each other."""

from datetime import date

import pytest

from lumbung.core.errors import LumbungError
from lumbung.pipeline.target import Target

DAY = date(2026, 11, 20)


@pytest.fixture
def decided(harness):
    run = harness.run(DAY)
    run.start()
    run.extract()
    run.snapshot()
    return run.target


def test_another_task_gets_what_was_decided(harness, decided):
    assert Target.from_xcom(decided.to_xcom(), harness.lake) == decided


def test_a_version_that_was_pruned_meanwhile_is_an_error(harness, decided):
    harness.lake.delete(decided.manifest)
    with pytest.raises(LumbungError, match=r"dt=2026-11-20/manifest-000001\.json: no such version\. Run the day again"):
        Target.from_xcom(decided.to_xcom(), harness.lake)


@pytest.mark.parametrize("content", [["2026-11-20", 3], [3, ["2026-11-20"], "0a1b"], None])
def test_what_another_release_decided_is_an_error(harness, content):
    with pytest.raises(LumbungError, match=r"decided by another release of Lumbung\. Run the day again"):
        Target.from_xcom(content, harness.lake)
