"""Contract events: what changed in a bank's contracts since the last events were sent?

**Steps.** `extract` (accounts, parties, addresses) → `snapshot` checks references between them → `events` (Spark)
compares the newest version with what was sent last, and writes down what it would send → `version` → `load` → `build`
makes and checks each table in private → `send`: only now the events go to Kafka, each once → `publish` replaces all
tables. `contract_event_run` writes down what was sent and what rejected rows hold back.

**The day.** At 00:30 the day that just ended; triggered by hand the logical date's day, or today. An older day than the
one that was sent last sends nothing; with `refresh` the sources are taken again, and what differs is sent. Runs take
turns, as each is compared with the one before.

**Parameters.** `source`: the folder of `accounts.csv`, `parties.csv` and `party_address.csv`; empty:
`LUMBUNG_CONTRACT_EVENTS_SOURCE`. `dry_run`: only say what would be sent. Kafka is that of `LUMBUNG_KAFKA`; the DAG is
paused until one is set.

**When it fails.** The failed task's last log line says what happened, where, and what to do. Until all checks have
passed nothing is sent; after that nothing is lost, and nothing comes twice: run the day again, or clear the failed
tasks.

---

**Bahasa Indonesia.** Peristiwa kontrak: apa yang berubah pada kontrak sebuah bank sejak peristiwa terakhir dikirim?

**Langkah.** `extract` (rekening, pihak, alamat) → `snapshot` memeriksa acuan antarsumber → `events` (Spark)
membandingkan versi terbaru dengan yang terakhir dikirim → `version` → `load` → `build` membuat dan memeriksa tiap
tabel secara tertutup → `send`: baru sekarang peristiwa dikirim ke Kafka, masing-masing sekali → `publish` mengganti
semua tabel.

**Hari.** Pukul 00:30 WIB untuk hari yang baru selesai; dijalankan dengan tangan untuk hari logical date, atau hari
ini. Hari yang lebih lama daripada yang terakhir dikirim tidak mengirim apa pun.

**Jika gagal.** Baris terakhir log tugas yang gagal berisi apa yang terjadi, di mana, dan apa yang harus dilakukan.
Sebelum semua pemeriksaan lulus tidak ada yang dikirim; sesudahnya tidak ada yang hilang atau datang dua kali.
"""

from airflow.sdk import Param, TriggerRule

from lumbung.core import settings
from lumbung_airflow.dag import daily_dag
from lumbung_airflow.operators import OwnStepOperator
from lumbung_airflow.tables import assets

SETTINGS = settings.load()
TEXT = ["null", "string"]

with daily_dag(
    "contract_events",
    description="Change events of a bank's contracts, exactly once to Kafka, daily",
    doc=__doc__,
    params={
        "source": Param(None, type=TEXT, title="Sources", description="Folder of the three files; empty: the setting."),
        "dry_run": Param(False, type="boolean", title="Dry run", description="Only say what would be sent."),
    },
    paused=SETTINGS.kafka.servers is None,
    max_active_runs=1,
) as daily:
    snapshot = OwnStepOperator(task_id="snapshot")
    # Dataproc is not asked where there is nothing to send: then its tasks are skipped, and `events` is not.
    events = OwnStepOperator(task_id="events", trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS)
    daily.extract(snapshot)
    snapshot >> events >> daily.version
    if SETTINGS.spark.engine.startswith("dataproc"):
        from lumbung_airflow.dataproc import PlanOperator, spark_tasks

        plan = PlanOperator(task_id="plan")
        spark = spark_tasks(SETTINGS, plan, job="contracts", system_name=daily.system, task_id="changes")
        snapshot >> plan >> spark.first
        spark.done >> events
        ends = [spark.last]
    else:
        ends = []
    daily.load((*(source.table for source in daily.sources), "contract", "contract_party", "contract_event"))
    send = OwnStepOperator(task_id="send", after_decision=True)
    record = OwnStepOperator(
        task_id="contract_event_run",
        trigger_rule=TriggerRule.ALL_DONE,
        outlets=assets(SETTINGS, ["ops.contract_event_run"]),
    )
    # Nothing is sent before every table is built and checked.
    list(daily.builds.values()) >> send >> daily.publish
    [events, send] >> record
    daily.finish(record, *ends)
