"""Cilvest's demand marts: how much do people in Indonesia talk about saham, reksadana and sukuk?

**Steps.** `collect` → spool → `ship` → Kafka → `land` → lake → `version` decides which days got new tweets → `clean`
(Spark) → `load` fills their staging partitions → `build` makes and checks each table in private → `publish` replaces
all tables → `index`, where `LUMBUNG_SEARCH` names a search server.

**The day.** At 00:30 the day that just ended; triggered by hand the logical date's day, or today. It decides which
synthetic tweets are collected and, with `refresh`, which day is cleaned again. Every day that got new tweets is
rebuilt, late ones on their own day.

**Where tweets come from.** The parameter `source`: `synthetic`, `archive` (with `path`), `x`, or `none` where services
collect and ship; default: `LUMBUNG_TWEET_SOURCE`. Kafka is that of `LUMBUNG_KAFKA`; the DAG is paused until one is set.

**When it fails.** The failed task's last log line says what happened, where, and what to do. Nothing of the run is
published then, nothing is lost, and nothing comes twice: run the day again, or clear the failed tasks.

---

**Bahasa Indonesia.** Mart permintaan Cilvest: seberapa banyak orang di Indonesia membicarakan saham, reksadana, dan
sukuk?

**Langkah.** `collect` → spool → `ship` → Kafka → `land` → lake → `version` menentukan hari mana yang mendapat tweet
baru → `clean` (Spark) → `load` mengisi partisi staging → `build` membuat dan memeriksa tiap tabel secara tertutup →
`publish` mengganti semua tabel → `index`, jika `LUMBUNG_SEARCH` menyebut server pencarian.

**Hari.** Pukul 00:30 WIB untuk hari yang baru selesai; dijalankan dengan tangan untuk hari logical date, atau hari
ini. Setiap hari yang mendapat tweet baru dibangun ulang, yang terlambat pada harinya sendiri.

**Jika gagal.** Baris terakhir log tugas yang gagal berisi apa yang terjadi, di mana, dan apa yang harus dilakukan.
Tidak ada yang diterbitkan, hilang, atau datang dua kali: jalankan hari itu lagi, atau clear tugas yang gagal.
"""

from airflow.sdk import Param, TriggerRule

from lumbung.core import settings
from lumbung_airflow.dag import daily_dag
from lumbung_airflow.operators import LoadOperator, OwnStepOperator
from lumbung_airflow.tables import assets

SETTINGS = settings.load()
SOURCES = [None, *settings.TWEET_SOURCES, settings.NO_SOURCE]
TEXT = ["null", "string"]

with daily_dag(
    "tweets",
    description="Demand for saham, reksadana and sukuk in tweets, daily",
    doc=__doc__,
    refresh=Param(False, type="boolean", title="Clean the day again", description="Even if nothing came."),
    params={
        "refresh_from": Param(None, type=TEXT, format="date", title="Clean again from this day to the business day"),
        "source": Param(None, enum=SOURCES, title="Where tweets come from", description="Empty: LUMBUNG_TWEET_SOURCE."),
        "path": Param(None, type=TEXT, title="Archive", description="Folder or file of an archive."),
    },
    paused=SETTINGS.kafka.servers is None,
) as daily:
    collect, ship, land = (OwnStepOperator(task_id=step) for step in ("collect", "ship", "land"))
    if SETTINGS.spark.engine.startswith("dataproc"):
        from lumbung_airflow.dataproc import PlanOperator, spark_tasks

        first = PlanOperator(task_id="plan", after_decision=True)
        spark = spark_tasks(SETTINGS, first, job="tweets", system_name=daily.system)
        first >> spark.first
        clean, last = spark.done, spark.last
    else:
        first = clean = last = OwnStepOperator(task_id="clean", after_decision=True)
    # Dataproc is not asked where there is nothing to clean: then `clean` is skipped, and the version is not.
    rule = TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS
    load = LoadOperator(task_id="load", entity="tweet", trigger_rule=rule, outlets=assets(SETTINGS, ["staging.tweet"]))
    daily.start >> collect >> ship >> land >> daily.version >> [daily.rejected, first]
    [daily.version, clean] >> load >> list(daily.builds.values())
    # After the rejects: from what is published the next run sees which days have new ones.
    daily.rejected >> daily.publish
    searched = [OwnStepOperator(task_id="index", after_decision=True)] if SETTINGS.search.url else []
    daily.publish >> searched
    daily.finish(last, *searched)
