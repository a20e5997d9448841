import json
from pathlib import Path

from support.bigquery_process import run_inside

THREADS = """
import json, os
from bigquery import history, loads
from bigquery.threads import ROWS_AT_ONCE, THREADS, Threads

def count():
    return database.fetch("SELECT current_setting('threads')")[0][0]

def shown(what):
    print(json.dumps([what, count()]), flush=True)

def started():
    threads = Threads()
    threads.start()
    return threads

processors = count()
database.execute("CREATE SCHEMA local.d")
database.execute(f"CREATE TABLE local.d.small AS SELECT * FROM range({ROWS_AT_ONCE})")
THREADS.start()
shown("small tables")
THREADS.fit()
shown("still small")
database.execute(f"CREATE TABLE local.d.large AS SELECT * FROM range({ROWS_AT_ONCE} + 1)")
history.originals.run_job = lambda *_: None
history.EXPIRER.run_job()
shown("a large one")
started()
shown("large at the start")
database.execute("DROP TABLE local.d.large")
last = started()
shown("dropped before the start")
upload = Path(sys.argv[1]) / "upload"
loads.load.run, loads.THREADS = (lambda *_: None), last
upload.write_bytes(bytes(loads.LARGE_BYTES - 1))
loads.run(None, None, str(upload))
shown("a small upload")
upload.write_bytes(bytes(loads.LARGE_BYTES))
loads.run(None, None, str(upload))
shown("a large upload")
loads.THREADS = started()
loads.run(None, None, None)
shown("a file elsewhere")
print(processors)
"""


def test_one_thread_computes_until_a_table_is_large(tmp_path: Path) -> None:
    *lines, processors = run_inside(THREADS, tmp_path).splitlines()
    every = int(processors)
    assert [json.loads(line) for line in lines] == [
        ["small tables", 1],
        ["still small", 1],
        ["a large one", every],
        ["large at the start", every],
        ["dropped before the start", 1],
        ["a small upload", 1],
        ["a large upload", every],
        ["a file elsewhere", every],
    ]


WAITING = """
import threading, time
from bigquery import threads
from bigquery.locks import LAKE

def execute(sql):  # as the real one: it has a cursor, for which it reads the lake
    with LAKE.reading():
        pass

def load():
    with LAKE.reading():
        reads.set()
        others.wait()
        many.use_all()

def write():
    reads.wait()
    with LAKE.writing():
        pass

def look():
    reads.wait()
    while not LAKE._waiting_writers:
        time.sleep(0.01)
    threading.Timer(0.2, others.set).start()
    many.use_all()

threads.originals.execute = execute
many, reads, others = threads.Threads(), threading.Event(), threading.Event()
many._are_all = False
started = [threading.Thread(target=each, daemon=True) for each in (load, write, look)]
for each in started:
    each.start()
for each in started:
    each.join(60)
print([each.is_alive() for each in started])
"""


def test_a_load_a_writer_and_who_looks_for_large_tables_do_not_wait_for_each_other(tmp_path: Path) -> None:
    assert run_inside(WAITING, tmp_path).strip() == "[False, False, False]"
