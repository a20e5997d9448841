from pathlib import Path

from support.bigquery_process import run_inside

HISTORY = """
import time
from bigquery import history
from local_bigquery.jobs import runner
from local_bigquery.models import JobConfiguration

def show():
    files = len(list((Path(sys.argv[1]) / "local").rglob("*.parquet")))
    ((states,),) = database.fetch("SELECT count(*) FROM ducklake_snapshots('local')")
    results = database.fetch("SELECT table_name FROM duckdb_tables() WHERE schema_name = '_results' ORDER BY 1")
    jobs = database.fetch("SELECT job_id FROM emulator.jobs ORDER BY 1")
    print(files, states > 2, *(name for (name,) in results), "|", *(name for (name,) in jobs), flush=True)

def ask(job_id, **config):
    runner.submit("local", job_id, JobConfiguration.model_validate({"query": {"query": "SELECT 1 AS x", **config}}))
    runner.wait("local", job_id)

history.EXPIRER._next_time = float("inf")
database.execute("CREATE SCHEMA local.d")
table = {"projectId": "local", "datasetId": "d", "tableId": "t"}
for number in range(3):
    ask(f"made_{number}", destinationTable=table, writeDisposition="WRITE_TRUNCATE")
ask("one")
time.sleep(0.01)
after_one = time.time()
time.sleep(0.01)
ask("two")
show()
history.expire(time.time())
show()
history.expire(after_one + history.RESULT_SECONDS)
show()
history.expire(after_one + history.JOB_SECONDS)
show()
history.RESULT_SECONDS, history.EXPIRER._next_time = -1, 0.0
ask("three")
show()
print(database.fetch("FROM local.d.t"))
"""


def test_history_of_long_ago_is_dropped(tmp_path: Path) -> None:
    assert run_inside(HISTORY, tmp_path).splitlines() == [
        "3 True local:one local:two | made_0 made_1 made_2 one two",
        "1 False local:one local:two | made_0 made_1 made_2 one two",
        "1 False local:two | made_0 made_1 made_2 one two",
        "1 False | two",
        "1 False | three two",
        "[(1,)]",
    ]


EXPIRY_BESIDE_A_WRITER = """
import contextlib, threading
from bigquery import history, locks, originals
opened, real = [], originals.open_cursor

@contextlib.contextmanager
def spy():
    opened.append(True)
    with real() as cursor:
        yield cursor

originals.open_cursor = spy
expiring = threading.Thread(target=history.expire, args=(0.0,))
with locks.LAKE.writing():
    expiring.start()
    expiring.join(1)
    print(len(opened))
expiring.join()
print(len(opened) > 0)
"""


def test_expiry_reads_nothing_of_the_lake_beside_a_writer(tmp_path: Path) -> None:
    assert run_inside(EXPIRY_BESIDE_A_WRITER, tmp_path).splitlines() == ["0", "True"]


EXPIRY_AFTER_EACH_JOB = """
from concurrent.futures import ThreadPoolExecutor
from bigquery import history
from local_bigquery.jobs import runner
from local_bigquery.models import JobConfiguration
history.RESULT_SECONDS = 0
database.execute("CREATE SCHEMA local.d; CREATE TABLE local.d.known AS SELECT 1 AS x")

def ask(number):
    history.EXPIRER._next_time = 0.0
    table = {"projectId": "local", "datasetId": "d", "tableId": f"t{number % 3}"}
    write = {"destinationTable": table, "writeDisposition": "WRITE_TRUNCATE"} if number % 2 else {}
    config = {"query": {"query": f"SELECT {number} AS n FROM d.known", **write}}
    runner.submit("local", f"job_{number}", JobConfiguration.model_validate(config))
    return runner.wait("local", f"job_{number}").status.errorResult

with ThreadPoolExecutor(4) as threads:
    print({*threads.map(ask, range(60))})
print(ask(61), database.fetch("SELECT n FROM local.d.t1"))
"""


def test_expiry_disturbs_no_job(tmp_path: Path) -> None:
    assert run_inside(EXPIRY_AFTER_EACH_JOB, tmp_path).splitlines() == ["{None}", "None [(61,)]"]
