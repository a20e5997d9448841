"""A catalogue with and without figures of runs."""

import contextlib
import shutil
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from lumbung.catalog import audit
from lumbung.catalog.contract import Catalog
from lumbung.catalogue import entries
from lumbung.core.errors import CheckError
from lumbung.core.settings import Settings
from lumbung.pipeline import operations
from lumbung.pipeline.run import Step
from support.pipeline import sources

QUOTED = "city <> 'nowhere'"
"""A check whose name has quotes."""
FIRST, SECOND, FAILED = date(2026, 11, 9), date(2026, 11, 10), date(2026, 11, 11)


@pytest.fixture(scope="session")
def contracts_only(tmp_path_factory):
    """The catalogue of all tables, without a warehouse."""
    return entries.collect(None, Settings.of(home=tmp_path_factory.mktemp("home")))


@pytest.fixture(scope="session")
def harness(new_harness, small_catalog, tmp_path_factory):
    """Two days of enrollments are published, the second with a city that is missing; the third failed a check."""
    root = shutil.copytree(small_catalog.root, tmp_path_factory.mktemp("quoted") / "sql")
    with (root / "dwh/dim_student.yaml").open("a") as file:
        file.write(f"  - {{expression: {QUOTED}}}\n")
    with contextlib.closing(new_harness(catalog=Catalog(root))) as harness:
        harness.take(FIRST)
        students = sources()["student"]
        harness.fill({"student": [*students, {**students[0], "id": "s4", "city": " "}]})
        done = harness.take(SECOND)
        contract = harness.catalog["dwh.dim_student"]
        names = list(audit.checks(contract))
        violations = [1234 if name.startswith("rows(") or "nowhere" in name else 0 for name in names]
        with pytest.raises(CheckError) as refused:
            audit.outcomes(contract, violations, f"{contract.address}, day {FAILED}")
        run = replace(done.run, day=FAILED, run_id="failed")
        step = Step(table=contract.address, note=f"failed: {refused.value}")
        operations.record(run, f"build.{contract.address}", datetime.now(UTC), step)
        # As earlier releases wrote it: with what a rejected row holds.
        note = "failed: mentor.csv:7, day 2026-11-11: 3 of 27 rows are rejected, 1 allowed; the first: id Budi is bad."
        step = Step(table="staging.mentor", note=f"{note} Fix the source (the rejects are in staging.rejected_row).")
        operations.record(run, "extract.mentor", datetime.now(UTC), step)
        operations.load_audit(run)
        operations.load_freshness(done.run)
        yield harness


@pytest.fixture(scope="session")
def with_runs(harness):
    """The catalogue of a few tables, with figures."""
    return entries.collect(harness.warehouse, harness.settings, harness.catalog)
