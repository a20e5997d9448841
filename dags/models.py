"""Models of what students do: how good does a model become with each batch of their activity?

**Steps.** `replay` (a dataset → Kafka) → `land` → lake → `batch` cuts the stream → `features` (Spark) → `train`, a
mapped task for each model that is not trained yet → `evaluate` measures each model on the next batch → `version`
decides which days changed → `load` → `build` makes and checks each table in private → `publish` replaces all tables →
`activate`: from then on the API serves the new models. `model_run` writes down what was trained.

**The day.** At 00:30 the day that just ended; triggered by hand the logical date's day, or today. It decides nothing:
every run takes all that is there. With `refresh` the day's activities are loaded again.

**Parameters.** `dataset`: a CSV, NDJSON or Parquet file with its `contract`; empty: the synthetic one; `none`: nothing
is replayed here. `by`: `count:5000`, `window:5m` or `event:5m`; empty: quarters of the first dataset. `scheme`: a (each
batch alone), b (all batches up to it) or both. Kafka is that of `LUMBUNG_KAFKA`; the DAG is paused until one is set.

**When it fails.** The failed task's last log line says what happened, where, and what to do. Nothing of the run is
published or served then, nothing is lost, and nothing comes twice: run the day again, or clear the failed tasks. Models
that are trained are not trained again.

---

**Bahasa Indonesia.** Model dari kegiatan mahasiswa: sebaik apa sebuah model dengan tiap batch kegiatan mereka?

**Langkah.** `replay` (dataset → Kafka) → `land` → lake → `batch` memotong aliran → `features` (Spark) → `train`, satu
tugas untuk tiap model yang belum dilatih → `evaluate` mengukur tiap model pada batch berikutnya → `version` menentukan
hari mana yang berubah → `load` → `build` membuat dan memeriksa tiap tabel secara tertutup → `publish` mengganti semua
tabel → `activate`: sejak itu API melayani model yang baru.

**Hari.** Pukul 00:30 WIB untuk hari yang baru selesai. Hari tidak menentukan apa pun: tiap run mengambil semua yang
ada.

**Jika gagal.** Baris terakhir log tugas yang gagal berisi apa yang terjadi, di mana, dan apa yang harus dilakukan.
Tidak ada yang diterbitkan atau dilayani, hilang, atau datang dua kali: jalankan hari itu lagi, atau clear tugas yang
gagal.
"""

from airflow.sdk import Param, TriggerRule

from lumbung.core import settings
from lumbung_airflow.dag import daily_dag
from lumbung_airflow.operators import ListOperator, MappedStepOperator, OwnStepOperator
from lumbung_airflow.tables import assets

SETTINGS = settings.load()
# Each holds a Spark of its own: 275 MB and its rows.
TRAININGS_AT_ONCE = 2
TEXT = ["null", "string"]

with daily_dag(
    "models",
    description="Models of students' activity for each batch of a stream, daily",
    doc=__doc__,
    refresh=Param(False, type="boolean", title="Load the day again", description="Even if nothing came."),
    params={
        "dataset": Param(None, type=TEXT, title="Dataset", description="A file; empty: synthetic; none: no replay."),
        "contract": Param(None, type=TEXT, title="Contract", description="Maps the dataset's columns."),
        "by": Param(None, type=TEXT, title="Batches", description="count:5000, window:5m or event:5m."),
        "scheme": Param(
            "both", enum=["a", "b", "both"], title="Scheme", description="a: each batch alone; b: all up to it."
        ),
        "delay": Param(
            "0", type="string", title="Pause between rows", description="Milliseconds, such as 20 or 5..50."
        ),
        "trainer": Param("arrow", enum=["arrow", "mllib"], title="Trainer"),
    },
    paused=SETTINGS.kafka.servers is None,
) as daily:
    replay, land, batch = (OwnStepOperator(task_id=step) for step in ("replay", "land", "batch"))
    if SETTINGS.spark.engine.startswith("dataproc"):
        from lumbung.spark.dataproc import TRAINING_PACKAGES
        from lumbung_airflow.dataproc import PlanOperator, spark_tasks

        plan, trained = PlanOperator(task_id="plan"), OwnStepOperator(task_id="register")
        spark = spark_tasks(
            SETTINGS, plan, job="models", system_name=daily.system, task_id="train", packages=TRAINING_PACKAGES
        )
        batch >> plan >> spark.first
        spark.done >> trained
        ends = [spark.last]
    else:
        features = ListOperator(task_id="features")
        trained = MappedStepOperator.partial(
            task_id="train", map_index_template="{{ task.item }}", max_active_tis_per_dag=TRAININGS_AT_ONCE
        ).expand(item=features.output)
        batch >> features >> trained
        ends = []
    # Nothing to train is not a failure; without a batch there is nothing to do.
    rule = TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS
    evaluate = OwnStepOperator(task_id="evaluate", trigger_rule=rule)
    record = OwnStepOperator(
        task_id="model_run", trigger_rule=TriggerRule.ALL_DONE, outlets=assets(SETTINGS, ["ops.model_run"])
    )
    daily.load(("activity", "model", "model_metric"))
    activate = OwnStepOperator(task_id="activate", after_decision=True)
    daily.start >> replay >> land >> batch
    [batch, trained] >> evaluate
    trained >> record
    evaluate >> daily.version >> daily.rejected
    # After the rejects: from what is published the next run sees which days have new ones.
    daily.rejected >> daily.publish >> activate
    daily.finish(activate, record, *ends)
