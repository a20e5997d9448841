"""Plans by a job: what it is given is enough, and what it leaves becomes the same messages as a session's."""

import dataclasses
import json
from datetime import date
from pathlib import Path

import pytest

from lumbung.core.errors import LumbungError
from lumbung.spark import contracts as changes
from lumbung.spark.session import session
from lumbung.systems.contract_events import steps
from lumbung.systems.contract_events.plan import plan_path
from lumbung.systems.contract_events.sending import plan_of
from support.contracts_harness import ContractsDay, states


def on_dataproc(day: ContractsDay) -> ContractsDay:
    """The run, with settings that name Dataproc; those would not take a lake in a folder."""
    settings = day.run.settings
    spark = settings.spark.model_copy(update={"engine": "dataproc"})
    day.run = dataclasses.replace(day.run, settings=settings.model_copy(update={"spark": spark}))
    return day


def do_job(contracts, staged) -> None:
    """Do what the staged job would do, by Sail: that a real Spark does it by the plan is tested with the job."""
    plan = json.loads(Path(staged.plan.removeprefix("file://")).read_text())["contracts"]
    inputs = {name: [path.removeprefix("file://") for path in paths] for name, paths in plan["inputs"].items()}
    options = {"schema_version": plan["schema_version"], "holds_removals": plan["holds_removals"]}
    ranges = [(low, high) for low, high in plan["ranges"]]
    with session(contracts.settings) as spark:
        chunks = changes.build(
            spark, changes.Inputs(**inputs), day=date.fromisoformat(plan["day"]), ranges=ranges, **options
        )
        changes.write(
            chunks, *(Path(plan[name].removeprefix("file://")) for name in ("events", "contracts", "parties"))
        )


def test_a_job_gives_the_same_files_of_events_as_a_session(contracts):
    first, *_ = states()
    contracts.give(first)
    by_session = contracts.run().up_to("events")
    by_job = on_dataproc(contracts.run().up_to("snapshot"))
    step, staged = steps.plan(by_job.run)
    assert (step.skipped, step.rows_in) == (False, 15)
    do_job(contracts, staged)
    by_job.events()
    one, other = (plan_of(contracts.lake, plan_path(day.run)) for day in (by_session, by_job))
    assert [part.sha256 for part in one.parts] == [part.sha256 for part in other.parts]
    assert (one.contracts.rows, one.parties.rows, one.counts) == (
        other.contracts.rows,
        other.parties.rows,
        other.counts,
    )
    assert (one.engine, other.engine) == ("sail", "dataproc")
    by_job.after("events")
    assert len(contracts.messages()) == 5

    again = on_dataproc(contracts.run().up_to("snapshot"))
    step, staged = steps.plan(again.run)
    assert (step.skipped, staged) == (True, None)
    assert "is sent" in again.events().note


def test_a_job_that_has_left_nothing_is_an_error(contracts):
    first, *_ = states()
    contracts.give(first)
    day = on_dataproc(contracts.run().up_to("snapshot"))
    steps.plan(day.run)
    with pytest.raises(LumbungError, match="the job has left no events"):
        day.events()
