"""The daily warehouse of pinter-skuy.

Gathers students, mentors, categories, courses and enrollments of one business day (Asia/Jakarta) into the warehouse and
publishes `dwh` and `datamart`.

**Steps.** `extract` takes each source into the lake → `snapshot` checks references between them → `load` fills the
staging partitions → `build` makes and checks each table in private → `publish` replaces all tables at once.

**The day.** At 00:30 the day that just ended; in a backfill each day of it; triggered by hand the logical date's day,
or today. The parameter `day` overrides all: `{"day": "2026-11-10", "refresh": false}`.

**When it fails.** The failed task's last log line says what happened, where, and what to do. Nothing of the run is
published then; rejected rows are in `staging.rejected_row`. Mend the source and run the day again, or clear the failed
tasks: a day may be run any number of times, in any order.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Asset, Param, TaskGroup, TriggerRule

from lumbung.catalog import query as sql
from lumbung.catalog.contract import Catalog
from lumbung.core import settings
from lumbung.core.day import JAKARTA
from lumbung_airflow.notify import failure_notifiers
from lumbung_airflow.operators import (
    SNAPSHOT,
    START,
    AuditOperator,
    BuildOperator,
    ExtractOperator,
    LoadOperator,
    PublishOperator,
    RejectedOperator,
    SnapshotOperator,
    StartOperator,
)
from lumbung_airflow.timetable import DailyTimetable

SYSTEM = "pinter_skuy"
CATALOG = Catalog()
TABLES = [one for one in sql.build_order(CATALOG.contracts.values()) if one.system == SYSTEM]


with DAG(
    dag_id="enrollment",
    description="Students, mentors, courses and enrollments of pinter-skuy, daily",
    doc_md=__doc__,
    schedule=DailyTimetable(),
    # A run of an earlier logical date would end well without a task: Airflow leaves its tasks out.
    start_date=datetime(2020, 1, 1, tzinfo=JAKARTA),
    catchup=False,
    max_active_runs=4,
    tags=["pinter-skuy", "daily"],
    params={
        "day": Param(
            None,
            type=["null", "string"],
            format="date",
            title="Business day",
            description="YYYY-MM-DD in Asia/Jakarta; empty: the day of the schedule or logical date, or today.",
        ),
        "refresh": Param(
            False,
            type="boolean",
            title="Take the sources again",
            description="Take a new snapshot even where the day has one.",
        ),
    },
    default_args={
        "system": SYSTEM,
        "retries": 2,
        "retry_delay": timedelta(seconds=5),
        "retry_exponential_backoff": 2.0,
        "max_retry_delay": timedelta(minutes=5),
    },
    on_failure_callback=failure_notifiers(settings.load()),
):
    start = StartOperator(task_id=START)
    snapshot = SnapshotOperator(task_id=SNAPSHOT)
    rejected = RejectedOperator(
        task_id="rejected_row", trigger_rule=TriggerRule.ALL_DONE, outlets=[Asset("staging.rejected_row")]
    )
    with TaskGroup("extract"):
        extracts = [ExtractOperator(task_id=one.table, entity=one.table) for one in CATALOG.sources(SYSTEM)]
    with TaskGroup("load"):
        loads = [
            LoadOperator(task_id=one.table, entity=one.table, outlets=[Asset(one.address)])
            for one in CATALOG.sources(SYSTEM)
        ]
    with TaskGroup("build"):
        builds = {one.address: BuildOperator(task_id=one.address, address=one.address) for one in TABLES}
    publish = PublishOperator(task_id="publish", outlets=[Asset(address) for address in builds])
    audit = AuditOperator(task_id="audit", trigger_rule=TriggerRule.ALL_DONE, outlets=[Asset("ops.run_audit")])
    # `audit` runs whatever happened, so it must not be what the run's own state is read from.
    complete = EmptyOperator(task_id="complete", trigger_rule=TriggerRule.NONE_FAILED)

    start >> extracts >> snapshot >> loads
    # Of all extracts, too: `snapshot` is over as soon as one of them fails, and the others may still find rejects.
    [*extracts, snapshot] >> rejected
    for one in TABLES:
        loads >> builds[one.address]
        [builds[address] for address in sorted(sql.dependencies(one) & builds.keys())] >> builds[one.address]
    list(builds.values()) >> publish
    # Likewise all that may still write a build table or a record.
    [*extracts, snapshot, rejected, *loads, *builds.values(), publish] >> audit
    [publish, rejected, audit] >> complete
