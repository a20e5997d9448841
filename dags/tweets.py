"""Cilvest's demand marts: how much do people in Indonesia talk about saham, reksadana and sukuk?

**Steps.** `collect` → spool → `ship` → Kafka → `land` → lake → `version` decides which days got new tweets → `clean`
(Spark) → `load` fills their staging partitions → `build` makes and checks each table in private → `publish` replaces
all tables at once → `index`, where `LUMBUNG_SEARCH` names a search server.

**The day.** At 00:30 the day that just ended; triggered by hand the logical date's day, or today. It decides which
synthetic tweets are collected and, with `refresh`, which day is cleaned anew. Every day that got new tweets is rebuilt,
late ones on their own day.

**Where tweets come from.** The parameter `source`: `synthetic`, `archive` (with `path`), `x`, or `none` where services
collect and ship; default: `LUMBUNG_TWEET_SOURCE`. Kafka is that of `LUMBUNG_KAFKA`; the DAG is paused until one is set.

**When it fails.** The failed task's last log line says what happened, where, and what to do. Nothing of the run is
published then, nothing is lost, and nothing comes twice: run the day again, or clear the failed tasks.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Asset, Param, TaskGroup, TriggerRule

from lumbung.catalog import query as sql
from lumbung.catalog.contract import Catalog
from lumbung.core import settings
from lumbung.core.day import JAKARTA
from lumbung_airflow import tweets
from lumbung_airflow.notify import failure_notifiers
from lumbung_airflow.operators import START, AuditOperator, StartOperator
from lumbung_airflow.timetable import DailyTimetable

SYSTEM = "cilvest"
SETTINGS = settings.load()
TABLES = [one for one in sql.build_order(Catalog().contracts.values()) if one.system == SYSTEM]


with DAG(
    dag_id="tweets",
    description="Demand for saham, reksadana and sukuk in tweets, daily",
    doc_md=__doc__,
    schedule=DailyTimetable(),
    # A run of an earlier logical date would end well without a task: Airflow leaves its tasks out.
    start_date=datetime(2020, 1, 1, tzinfo=JAKARTA),
    catchup=False,
    max_active_runs=4,
    is_paused_upon_creation=SETTINGS.kafka.servers is None,
    tags=["cilvest", "daily"],
    params={
        "day": Param(
            None,
            type=["null", "string"],
            format="date",
            title="Business day",
            description="YYYY-MM-DD in Asia/Jakarta; empty: the day of the schedule or logical date, or today.",
        ),
        "refresh": Param(False, type="boolean", title="Clean the day anew", description="Even if nothing came."),
        "refresh_from": Param(
            None,
            type=["null", "string"],
            format="date",
            title="Clean anew from this day on",
            description="With the above: all days from this one to the business day.",
        ),
        "source": Param(
            None,
            enum=[None, *settings.TWEET_SOURCES, settings.NO_SOURCE],
            title="Where tweets come from",
            description="Empty: LUMBUNG_TWEET_SOURCE.",
        ),
        "path": Param(None, type=["null", "string"], title="Archive", description="Folder or file of an archive."),
    },
    default_args={
        "system": SYSTEM,
        "retries": 2,
        "retry_delay": timedelta(seconds=5),
        "retry_exponential_backoff": 2.0,
        "max_retry_delay": timedelta(minutes=5),
    },
    on_failure_callback=failure_notifiers(SETTINGS),
):
    start = StartOperator(task_id=START)
    collect = tweets.CollectOperator(task_id="collect")
    ship = tweets.ShipOperator(task_id="ship")
    land = tweets.LandOperator(task_id="land")
    version = tweets.VersionOperator(task_id=tweets.VERSION)
    rejected = tweets.TweetRejectedOperator(
        task_id="rejected_row", trigger_rule=TriggerRule.ALL_DONE, outlets=[Asset("staging.rejected_row")]
    )
    if SETTINGS.spark.engine.startswith("dataproc"):
        from lumbung_airflow.dataproc import cleaning

        first = tweets.PlanOperator(task_id="plan")
        spark = cleaning(SETTINGS, plan="plan")
        first >> spark.first
        clean, cleans = spark.cleaned, [first, spark.first, spark.cleaned, spark.last]
    else:
        first = clean = tweets.CleanOperator(task_id="clean")
        cleans = [clean]
    # Dataproc is not asked where there is nothing to clean: then `clean` is skipped, and the version is not.
    load = tweets.TweetLoadOperator(
        task_id="load", trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS, outlets=[Asset("staging.tweet")]
    )
    with TaskGroup("build"):
        builds = {one.address: tweets.TweetBuildOperator(task_id=one.address, address=one.address) for one in TABLES}
    publish = tweets.TweetPublishOperator(task_id="publish", outlets=[Asset(address) for address in builds])
    audit = AuditOperator(task_id="audit", trigger_rule=TriggerRule.ALL_DONE, outlets=[Asset("ops.run_audit")])
    # `audit` runs whatever happened, so it must not be what the run's own state is read from.
    complete = EmptyOperator(task_id="complete", trigger_rule=TriggerRule.NONE_FAILED)

    start >> collect >> ship >> land >> version >> [rejected, first]
    [version, clean] >> load >> list(builds.values())
    for one in TABLES:
        [builds[address] for address in sorted(sql.dependencies(one) & builds.keys())] >> builds[one.address]
    # After the rejects: which days have new ones is told by what is published.
    [rejected, *builds.values()] >> publish
    ends = [publish]
    if SETTINGS.search.url:
        ends.append(publish >> tweets.IndexOperator(task_id="index"))
    # Likewise all that may still write a build table or a record.
    [collect, ship, land, version, rejected, *cleans, load, *builds.values(), *ends] >> audit
    [*ends, cleans[-1], rejected, audit] >> complete
