"""The daily warehouse of pinter-skuy.

Gathers students, mentors, categories, courses and enrollments of one business day (Asia/Jakarta) into the warehouse and
publishes `dwh` and `datamart`.

**Steps.** `extract` takes each source into the lake → `snapshot` checks references between them → `load` fills the
staging partitions → `build` makes and checks each table in private → `publish` replaces all tables.

**The day.** At 00:30 the day that just ended; in a backfill each day of it; triggered by hand the logical date's day,
or today. The parameter `day` overrides all: `{"day": "2026-11-10", "refresh": false}`.

**When it fails.** The failed task's last log line says what happened, where, and what to do. Nothing of the run is
published then; rejected rows are in `staging.rejected_row`. Fix the source and run the day again, or clear the failed
tasks: a day may be run any number of times, in any order.
"""

from lumbung_airflow.dag import daily_dag

with daily_dag(
    "enrollment", description="Students, mentors, courses and enrollments of pinter-skuy, daily", doc=__doc__
) as daily:
    daily.take_snapshots()
    daily.finish()
