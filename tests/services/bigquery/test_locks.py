from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from google.cloud import bigquery

from support.bigquery_client import copy, load, rows_of
from support.bigquery_process import run_inside


def test_threads_write_at_once(client: bigquery.Client, dataset: str) -> None:
    days = [f"2026-02-{day:02d}" for day in range(1, 9)]

    def write(task: tuple[str, str]) -> None:
        name, day = task
        client.create_dataset(f"{dataset}_{name}", exists_ok=True)
        target = f"{dataset}.{name}${day.replace('-', '')}"
        for round_ in range(2):
            load(client, target, [(f"{day} {round_}", day)])
        copy(client, target, f"{dataset}_{name}.copy${day.replace('-', '')}")

    tasks = [(name, day) for day in days for name in ("one", "two", "three")]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write, tasks))
    for name in ("one", "two", "three"):
        for table in (f"{dataset}.{name}", f"{dataset}_{name}.copy"):
            assert rows_of(client.query_and_wait(f"SELECT id FROM {table} ORDER BY id")) == [(f"{d} 1",) for d in days]
        client.delete_dataset(f"{dataset}_{name}", delete_contents=True)


MAKE_AND_READ = """
import threading
from bigquery import locks
database.execute('CREATE SCHEMA local.d; CREATE TABLE local.d.known AS SELECT 1 AS x')
done = threading.Event()

def read():
    while not done.is_set():
        database.fetch('SELECT count(*) FROM local.d.known')

readers = [threading.Thread(target=read) for _ in range(3)]
for reader in readers:
    reader.start()
try:
    for _ in range(100):
        with database.writing("local", "d", "made"), database.cursor() as writer, locks.transaction(writer):
            writer.execute('CREATE OR REPLACE TABLE local.d.made AS SELECT * FROM range(10)')
            writer.execute('ALTER TABLE local.d.made ALTER COLUMN range SET NOT NULL')
finally:
    done.set()
    for reader in readers:
        reader.join()
"""


def test_tables_are_made_while_others_read(tmp_path: Path) -> None:
    run_inside(MAKE_AND_READ, tmp_path)
