import datetime
import io
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.api_core.exceptions import BadRequest, ClientError, Conflict, NotFound
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from support.bigquery_process import PYTHON, environ, start_and_wait

ARROW = pa.schema([("id", pa.string()), ("snapshot_date", pa.date32())])
SCHEMA = [
    bigquery.SchemaField("id", "STRING", "REQUIRED", description="the id"),
    bigquery.SchemaField("snapshot_date", "DATE", "NULLABLE"),
]
PARTITIONED = bigquery.TimePartitioning(field="snapshot_date")


def connect(url: str) -> bigquery.Client:
    return bigquery.Client("local", AnonymousCredentials(), client_options={"api_endpoint": url})


@pytest.fixture(scope="module")
def client(bigquery_server: str) -> bigquery.Client:
    return connect(bigquery_server)


@pytest.fixture
def dataset(client: bigquery.Client) -> Iterator[str]:
    name = f"t_{uuid.uuid4().hex}"
    client.create_dataset(name)
    yield name
    client.delete_dataset(name, delete_contents=True)


def load(
    client: bigquery.Client,
    table: str,
    rows: list[tuple[Any, str]],
    *,
    disposition: str = "WRITE_TRUNCATE",
    partitioning: bigquery.TimePartitioning | None = PARTITIONED,
    id_type: tuple[str, pa.DataType] = ("STRING", pa.string()),
) -> Any:
    arrow = ARROW.set(0, pa.field("id", id_type[1]))
    content = [{"id": key, "snapshot_date": datetime.date.fromisoformat(day)} for key, day in rows]
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(content, arrow), file)
    config = bigquery.LoadJobConfig(
        source_format="PARQUET",
        schema=[bigquery.SchemaField("id", id_type[0], "REQUIRED", description="the id"), SCHEMA[1]],
        time_partitioning=partitioning,
        write_disposition=disposition,
        create_disposition="CREATE_IF_NEEDED",
    )
    return client.load_table_from_file(file, table, rewind=True, job_config=config).result(timeout=60)


def query(
    client: bigquery.Client, sql: str, destination: str, disposition: str = "WRITE_TRUNCATE", **config: Any
) -> Any:
    settings = bigquery.QueryJobConfig(destination=f"local.{destination}", write_disposition=disposition, **config)
    return rows_of(client.query(sql, settings).result(timeout=60))


def copy(client: bigquery.Client, source: str, destination: str, disposition: str = "WRITE_TRUNCATE") -> None:
    settings = bigquery.CopyJobConfig(write_disposition=disposition)
    client.copy_table(source, destination, job_config=settings).result(timeout=60)


def rows_of(result: Any) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in result]


def ids(client: bigquery.Client, table: str) -> str:
    """A table's ids by day: `1:a,b 2:c`."""
    sql = f"SELECT EXTRACT(DAY FROM snapshot_date), STRING_AGG(id, ',' ORDER BY id) FROM {table} GROUP BY 1 ORDER BY 1"
    return " ".join(f"{day}:{joined}" for day, joined in rows_of(client.query_and_wait(sql)))


@pytest.fixture
def table(client: bigquery.Client, dataset: str) -> str:
    """A table with the ids a and b on 1 January and c on 2 January."""
    load(client, f"{dataset}.t$20260101", [("a", "2026-01-01"), ("b", "2026-01-01")])
    load(client, f"{dataset}.t$20260102", [("c", "2026-01-02")])
    return f"{dataset}.t"


def test_a_load_makes_the_table_with_its_partitioning_and_schema(client: bigquery.Client, table: str) -> None:
    made = client.get_table(table)
    assert (made.num_rows, made.time_partitioning.field, made.schema) == (3, "snapshot_date", SCHEMA)
    assert [item.table_id for item in client.list_tables(table.split(".")[0])] == ["t"]


def write_by_load(client: bigquery.Client, table: str, disposition: str) -> None:
    load(client, f"{table}$20260101", [("x", "2026-01-01")], disposition=disposition)


def write_by_query(client: bigquery.Client, table: str, disposition: str) -> None:
    day = bigquery.ScalarQueryParameter("day", "DATE", datetime.date(2026, 1, 1))
    query(client, "SELECT 'x' AS id, @day AS snapshot_date", f"{table}$20260101", disposition, query_parameters=[day])


def write_by_copy(client: bigquery.Client, table: str, disposition: str) -> None:
    load(client, f"{table}_source$20260101", [("x", "2026-01-01")])
    load(client, f"{table}_source$20260102", [("not copied", "2026-01-02")])
    copy(client, f"{table}_source$20260101", f"{table}$20260101", disposition)


@pytest.mark.parametrize("write", [write_by_load, write_by_query, write_by_copy])
@pytest.mark.parametrize(("disposition", "expected"), [("WRITE_TRUNCATE", "1:x 2:c"), ("WRITE_APPEND", "1:a,b,x 2:c")])
def test_a_job_writes_one_partition(
    client: bigquery.Client, table: str, write: Callable[..., None], disposition: str, expected: str
) -> None:
    write(client, table, disposition)
    assert ids(client, table) == expected


@pytest.mark.parametrize("write", [write_by_load, write_by_query, write_by_copy])
def test_a_partition_with_rows_is_not_empty(client: bigquery.Client, table: str, write: Callable[..., None]) -> None:
    with pytest.raises(Conflict, match="Already Exists"):
        write(client, table, "WRITE_EMPTY")
    assert ids(client, table) == "1:a,b 2:c"


def test_a_query_into_a_partition_returns_that_partition_and_may_read_it(client: bigquery.Client, table: str) -> None:
    sql = f"SELECT id || '!' AS id, snapshot_date FROM {table} WHERE id = 'a'"
    assert query(client, sql, f"{table}$20260101") == [("a!", datetime.date(2026, 1, 1))]
    assert ids(client, table) == "1:a! 2:c"


@pytest.mark.parametrize(
    ("suffix", "rows", "options", "message"),
    [
        ("$20260101", [("x", "2026-01-01"), ("y", "2026-01-02")], {}, "different partitions.* 20260101"),
        ("$20260101", [(None, "2026-01-01")], {}, "Required field"),
        ("$20260101", [(1, "2026-01-01")], {"id_type": ("INT64", pa.int64())}, "changed type from STRING to INT64"),
        ("$20260101", [("x", "2026-01-01")], {"partitioning": bigquery.TimePartitioning()}, "Incompatible"),
        ("$2026", [("x", "2026-01-01")], {}, "Invalid partition"),
        ("_new$20260101", [("x", "2026-01-01")], {"partitioning": None}, "not partitioned"),
        ("_new$20260101", [("x", "2026-01-02")], {}, "different partitions"),
        ("_new$20260101", [(None, "2026-01-01")], {}, "Required field"),
    ],
)
def test_a_refused_load_leaves_all_as_it_was(
    client: bigquery.Client, table: str, suffix: str, rows: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(BadRequest, match=message):
        load(client, f"{table}{suffix}", rows, **options)
    assert ids(client, table) == "1:a,b 2:c"
    assert [item.table_id for item in client.list_tables(table.split(".")[0])] == ["t"]


def test_a_partition_is_read_and_deleted_by_its_name(client: bigquery.Client, table: str) -> None:
    assert client.get_table(f"{table}$20260101").num_rows == 2
    assert rows_of(client.list_rows(f"{table}$20260102")) == [("c", datetime.date(2026, 1, 2))]
    client.delete_table(f"{table}$20260101")
    assert ids(client, table) == "2:c"
    assert client.get_table(f"{table}$20260101").num_rows == 0


@pytest.mark.parametrize("sql", ["SELECT * FROM `{}$20260101`", "CREATE TABLE `{}$20260103` AS SELECT 1 AS x"])
def test_sql_names_no_partition(client: bigquery.Client, table: str, sql: str) -> None:
    with pytest.raises(BadRequest, match="decorator"):
        client.query_and_wait(sql.format(table))


def test_a_copy_is_partitioned_clustered_and_described_as_its_source(client: bigquery.Client, dataset: str) -> None:
    sql = "SELECT 'a' AS id, DATE '2026-01-01' AS snapshot_date"
    query(client, sql, f"{dataset}.source", time_partitioning=PARTITIONED, clustering_fields=["id"])
    source = client.get_table(f"{dataset}.source")
    source.schema = [bigquery.SchemaField("id", "STRING", description="the id"), SCHEMA[1]]
    client.update_table(source, ["schema"])
    query(client, "SELECT 1 AS other", f"{dataset}.old")
    for target in ("new", "old"):
        copy(client, f"{dataset}.source", f"{dataset}.{target}")
        made = client.get_table(f"{dataset}.{target}")
        assert (made.time_partitioning.field, made.clustering_fields) == ("snapshot_date", ["id"])
        assert made.schema == source.schema


def test_a_large_copy_shares_its_file_until_either_changes(start_bigquery: Any, tmp_path: Path) -> None:
    client = connect(start_bigquery(tmp_path / "data")[1])
    client.create_dataset("d")
    made = "SELECT id, GENERATE_UUID() AS code, [id, 1] AS ids FROM UNNEST(GENERATE_ARRAY(1, 60000)) AS id"
    query(client, made, "d.source", time_partitioning=bigquery.TimePartitioning(type_="DAY"))

    def copied(what: str = "COUNT(*), SUM(id), MIN(code), SUM(ids[0])") -> None:
        copy(client, "local.d.source", "local.d.target")
        one, other = (rows_of(client.query_and_wait(f"SELECT {what} FROM d.{name}")) for name in ("source", "target"))
        assert one == other

    def links() -> set[int]:
        return {path.stat().st_nlink for path in (tmp_path / "data").rglob("target/*.parquet")}

    copied()
    assert links() == {2}
    client.query_and_wait("DELETE FROM d.target WHERE id = 2")
    assert rows_of(client.query_and_wait("SELECT COUNT(*) FROM d.source")) == [(60000,)]
    client.query_and_wait("DELETE FROM d.source WHERE id < 3")
    copied()
    client.query_and_wait("ALTER TABLE d.source DROP COLUMN code")
    client.query_and_wait("ALTER TABLE d.source ADD COLUMN code STRING")
    copied("COUNT(*), COUNT(code)")
    query(client, made, "d.source")
    copied()
    before = rows_of(client.query_and_wait("SELECT SUM(id), MAX(code) FROM d.target"))
    client.delete_table("d.source")
    assert rows_of(client.query_and_wait("SELECT SUM(id), MAX(code) FROM d.target")) == before


def test_a_copy_into_a_table_partitioned_otherwise_is_refused(client: bigquery.Client, table: str) -> None:
    query(client, "SELECT 'x' AS id, DATE '2026-01-01' AS snapshot_date", f"{table}_plain")
    with pytest.raises(BadRequest, match="Incompatible table partitioning"):
        copy(client, f"{table}_plain", f"{table}$20260101")


def test_truncation_replaces_the_schema_and_drops_descriptions_and_labels(
    client: bigquery.Client, dataset: str
) -> None:
    query(client, "SELECT 1 AS x, 'a' AS y", f"{dataset}.t")
    before = client.get_table(f"{dataset}.t")
    before.description, before.labels = "a table", {"system": "pinter"}
    before.schema = [bigquery.SchemaField(f.name, f.field_type, description="a column") for f in before.schema]
    client.update_table(before, ["description", "labels", "schema"])
    query(client, "SELECT 'b' AS y, 2.5 AS z", f"{dataset}.t")
    after = client.get_table(f"{dataset}.t")
    assert [(f.name, f.field_type, f.description) for f in after.schema] == [
        ("y", "STRING", None),
        ("z", "FLOAT", None),
    ]
    assert (after.description, after.labels, after.created) == (None, {}, before.created)


def test_a_table_made_by_a_job_expires_as_its_data_set_says(client: bigquery.Client, dataset: str) -> None:
    resource = client.get_dataset(dataset)
    resource.default_table_expiration_ms = 3_600_000
    client.update_dataset(resource, ["default_table_expiration_ms"])
    query(client, "SELECT 1 AS x", f"{dataset}.t")
    made = client.get_table(f"{dataset}.t")
    assert made.expires - made.created == datetime.timedelta(hours=1)
    time.sleep(0.01)
    assert client.get_table(f"{dataset}.t").expires == made.expires
    made.expires = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=0.3)
    client.update_table(made, ["expires"])
    time.sleep(0.4)
    with pytest.raises(NotFound):
        client.query_and_wait(f"SELECT * FROM {dataset}.t")


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("7", "INT64", 7),
        (" -7 ", "INT64", -7),
        ("1.9", "INT64", None),
        ("1e3", "INT64", None),
        ("1_0", "INT64", None),
        ("99999999999999999999", "INT64", None),
        ("1.5", "FLOAT64", 1.5),
        ("1_0", "FLOAT64", None),
        ("true", "BOOL", True),
        ("yes", "BOOL", None),
        ("2026-1-2", "DATE", datetime.date(2026, 1, 2)),
        ("2026-01-02 10:00:00", "DATE", None),
        ("2026/01/02", "DATE", None),
        (None, "INT64", None),
    ],
)
def test_safe_cast_of_a_string(client: bigquery.Client, text: str | None, kind: str, expected: Any) -> None:
    settings = bigquery.QueryJobConfig(query_parameters=[bigquery.ScalarQueryParameter("text", "STRING", text)])
    sql = (
        f"SELECT SAFE_CAST(@text AS {kind}), SAFE_CAST(column AS {kind}) FROM UNNEST([@text, @text]) AS column LIMIT 1"
    )
    if text is None:  # BigQuery's arrays hold no NULL
        sql = f"SELECT SAFE_CAST(@text AS {kind}), SAFE_CAST(CAST(NULL AS STRING) AS {kind})"
    assert rows_of(client.query_and_wait(sql, job_config=settings)) == [(expected, expected)]


def test_safe_cast_of_a_number_rounds(client: bigquery.Client) -> None:
    assert rows_of(client.query_and_wait("SELECT SAFE_CAST(1.9 AS INT64)")) == [(2,)]


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


SERVER = """
import sys
from pathlib import Path
from bigquery import history, locks, originals, records, recovery, server
from local_bigquery.engine import database
server.settings.data_dir, server.settings.default_project_id = Path(sys.argv[1]), "local"
server.link_extensions(Path(sys.argv[1]) / "home")
server.patch()
database.connection()
"""
MAKE_AND_READ = """
import threading
database.execute('CREATE SCHEMA local.d; CREATE TABLE local.d.known AS SELECT 1 AS x')
done = threading.Event()

def read():
    while not done.is_set():
        database.fetch('SELECT count(*) FROM local.d.known')

readers = [threading.Thread(target=read) for _ in range(3)]
for one in readers:
    one.start()
try:
    for _ in range(100):
        with database.writing("local", "d", "made"), database.cursor() as writer, locks.transaction(writer):
            writer.execute('CREATE OR REPLACE TABLE local.d.made AS SELECT * FROM range(10)')
            writer.execute('ALTER TABLE local.d.made ALTER COLUMN range SET NOT NULL')
finally:
    done.set()
    for one in readers:
        one.join()
"""


def inside(script: str, folder: Path) -> str:
    """What a script prints that runs in the server's process."""
    command = [PYTHON, "-P", "-c", SERVER + script, folder]
    done = subprocess.run(command, env=environ(), check=True, timeout=300, stdout=subprocess.PIPE, text=True)
    return done.stdout


def test_tables_are_made_while_others_read(tmp_path: Path) -> None:
    inside(MAKE_AND_READ, tmp_path)


HISTORY = """
import time
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
    assert inside(HISTORY, tmp_path).splitlines() == [
        "3 True local:one local:two | made_0 made_1 made_2 one two",
        "1 False local:one local:two | made_0 made_1 made_2 one two",
        "1 False local:two | made_0 made_1 made_2 one two",
        "1 False | two",
        "1 False | three two",
        "[(1,)]",
    ]


SWEEP_BESIDE_A_WRITER = """
import contextlib, threading
opened, real = [], originals.open_cursor

@contextlib.contextmanager
def spy():
    opened.append(True)
    with real() as cursor:
        yield cursor

originals.open_cursor = spy
sweeping = threading.Thread(target=history.expire, args=(0.0,))
with locks.LAKE.writing():
    sweeping.start()
    sweeping.join(1)
    print(len(opened))
sweeping.join()
print(len(opened) > 0)
"""


def test_a_sweep_reads_nothing_of_the_lake_beside_a_writer(tmp_path: Path) -> None:
    assert inside(SWEEP_BESIDE_A_WRITER, tmp_path).splitlines() == ["0", "True"]


COPY_WITHOUT_LINKS = """
from local_bigquery.jobs import runner
from local_bigquery.models import JobConfiguration

def refuse(*_):
    raise OSError("no links here")

Path.hardlink_to = refuse
database.execute("CREATE SCHEMA local.d; CREATE TABLE local.d.s AS SELECT uuid() AS code FROM range(60000)")
one, other = ({"projectId": "local", "datasetId": "d", "tableId": name} for name in "st")
config = {"copy": {"sourceTable": one, "destinationTable": other, "writeDisposition": "WRITE_TRUNCATE"}}
runner.submit("local", "copy", JobConfiguration.model_validate(config))
print(runner.wait("local", "copy").status.errorResult)
print(database.fetch("SELECT count(*) FROM (FROM local.d.s INTERSECT FROM local.d.t)"))
"""


def test_a_large_copy_needs_no_links(tmp_path: Path) -> None:
    assert inside(COPY_WITHOUT_LINKS, tmp_path).splitlines() == ["None", "[(60000,)]"]


SWEEP_AFTER_EACH_JOB = """
from concurrent.futures import ThreadPoolExecutor
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


def test_a_sweep_disturbs_no_job(tmp_path: Path) -> None:
    assert inside(SWEEP_AFTER_EACH_JOB, tmp_path).splitlines() == ["{None}", "None [(61,)]"]


HALF_MADE = """
from local_bigquery.catalog import tables
database.execute("CREATE SCHEMA local.d; CREATE TABLE local.d.made AS SELECT 1 AS x")
for name in ("made", "half"):
    tables.record("local", "d", name, tables.defaults("local", "d", name))
for _ in range(2):
    print(*(table.tableReference.tableId for table in tables.list_("local", "d")))
    recovery.forget_missing_tables()
print(tables.exists("local", "d", "half"))
"""


def test_a_table_that_a_killed_server_did_not_make_is_not_listed(tmp_path: Path) -> None:
    assert inside(HALF_MADE, tmp_path).splitlines() == ["half made", "made", "False"]


OF_AN_OLDER_ONE = """
from local_bigquery.catalog import metadata
from local_bigquery.models import Table
table = '{"tableReference": {"projectId": "local", "datasetId": "d", "tableId": "t"}, "description": "old"}'
with originals.open_cursor() as cursor:
    cursor.execute("INSERT INTO emulator.tables VALUES ('local', 'd', 't', $1)", [table])
for _ in range(2):
    print(*(table.description for table in metadata.list_(Table, "local", "d")))
    metadata.delete(Table, "local", "d", "t")
    records.RECORDS = records.Records()
"""


def test_what_an_older_server_had_on_record_is_taken_over_once(tmp_path: Path) -> None:
    assert inside(OF_AN_OLDER_ONE, tmp_path).splitlines() == ["old", ""]


def test_jobs_are_listed_by_state_and_shown_to_sql(client: bigquery.Client) -> None:
    good, bad = client.query("SELECT 1"), client.query("SELECT error('no')")
    good.result()
    with pytest.raises(BadRequest):
        bad.result()
    for state, there in (("done", {good.job_id, bad.job_id}), ("running", set())):
        listed = {job.job_id for job in client.list_jobs(state_filter=state, max_results=50)}
        assert {good.job_id, bad.job_id} & listed == there
    sql = "SELECT job_id, error_reason IS NULL FROM `region-us`.INFORMATION_SCHEMA.JOBS"
    assert {(good.job_id, True), (bad.job_id, False)} <= set(rows_of(client.query_and_wait(sql)))


def test_jobs_are_shown_at_once_and_within_a_transaction(client: bigquery.Client) -> None:
    sql = "SELECT COUNT(*) > 0 FROM `region-us`.INFORMATION_SCHEMA.JOBS"
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(lambda _: rows_of(client.query_and_wait(sql)), range(8))) == [[(True,)]] * 8
    session = client.query_and_wait("BEGIN TRANSACTION", job_config=bigquery.QueryJobConfig(create_session=True))
    config = bigquery.QueryJobConfig(
        connection_properties=[bigquery.ConnectionProperty("session_id", session_id(client, session))]
    )
    assert rows_of(client.query_and_wait(sql, job_config=config)) == [(True,)]
    client.query_and_wait("COMMIT TRANSACTION", job_config=config)


def session_id(client: bigquery.Client, result: Any) -> str:
    return str(client.get_job(result.job_id).session_info.session_id)


def test_what_sql_makes_is_known_at_once(client: bigquery.Client, dataset: str) -> None:
    made, view = f"{dataset}.made", f"{dataset}.looked"

    def names() -> list[str]:
        return [column.name for column in client.get_table(made).schema]

    for _ in range(2):
        with pytest.raises(NotFound):
            client.get_table(made)
        client.query_and_wait(f"CREATE TABLE {made} (id INT64 NOT NULL)")
        assert (names(), client.get_table(made).num_rows) == (["id"], 0)
        client.query_and_wait(f"INSERT INTO {made} VALUES (1), (2)")
        assert client.get_table(made).num_rows == 2
        client.query_and_wait(f"ALTER TABLE {made} ADD COLUMN city STRING")
        assert names() == ["id", "city"]
        client.query_and_wait(f"UPDATE {made} SET city = 'Bogor' WHERE id = 2; DELETE FROM {made} WHERE id = 1")
        assert rows_of(client.list_rows(client.get_table(made))) == [(2, "Bogor")]
        client.query_and_wait(f"CREATE OR REPLACE VIEW {view} AS SELECT city FROM {made}")
        assert rows_of(client.query_and_wait(f"SELECT * FROM {view}")) == [("Bogor",)]
        client.query_and_wait(f"CREATE OR REPLACE TABLE {made} AS SELECT 'x' AS code; DROP VIEW {view}")
        assert (names(), client.get_table(made).num_rows) == (["code"], 1)
        with pytest.raises(NotFound):
            client.query_and_wait(f"SELECT * FROM {view}")
        script = f"BEGIN TRANSACTION; INSERT INTO {made} VALUES ('y'); COMMIT TRANSACTION; SELECT COUNT(*) FROM {made}"
        assert rows_of(client.query_and_wait(script)) == [(2,)]
        assert client.get_table(made).num_rows == 2
        session = client.query_and_wait("BEGIN TRANSACTION", job_config=bigquery.QueryJobConfig(create_session=True))
        config = bigquery.QueryJobConfig(
            connection_properties=[bigquery.ConnectionProperty("session_id", session_id(client, session))]
        )
        client.query_and_wait(f"INSERT INTO {made} VALUES ('z')", job_config=config)
        assert client.get_table(made).num_rows == 2
        client.query_and_wait("COMMIT TRANSACTION", job_config=config)
        assert client.get_table(made).num_rows == 3
        client.query_and_wait(f"DROP TABLE {made}")
        assert made.split(".")[1] not in [one.table_id for one in client.list_tables(dataset)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_soon_and_keeps_what_was_committed(start_bigquery: Any, tmp_path: Path, number: int) -> None:
    process, url = start_bigquery(tmp_path / "data")
    client = connect(url)
    client.create_dataset("d")
    load(client, "d.t$20260101", [("a", "2026-01-01")])
    client.query("SELECT COUNT(*) FROM UNNEST(GENERATE_ARRAY(1, 100000)) x, UNNEST(GENERATE_ARRAY(1, 1000000)) y")
    started = time.monotonic()
    process.send_signal(number)
    assert process.wait(timeout=10) == 0
    assert time.monotonic() - started < 15
    assert ids(connect(start_bigquery(tmp_path / "data")[1]), "d.t") == "1:a"


def test_a_kill_loses_nothing_that_was_committed(start_bigquery: Any, tmp_path: Path) -> None:
    process, url = start_bigquery(tmp_path / "data")
    client = connect(url)
    client.create_dataset("d")
    load(client, "d.t$20260101", [("a", "2026-01-01")])
    slow = "SELECT COUNT(*) AS n FROM UNNEST(GENERATE_ARRAY(1, 100000)) x, UNNEST(GENERATE_ARRAY(1, 1000000)) y"
    client.query(slow, job_id="unfinished", job_retry=None)
    process.kill()
    process.wait()

    client = connect(start_bigquery(tmp_path / "data")[1])
    assert ids(client, "d.t") == "1:a"
    assert client.get_table("d.t").time_partitioning.field == "snapshot_date"
    job = client.get_job("unfinished")
    assert job.state == "DONE"
    assert "run it again" in job.error_result["message"]


def test_a_taken_port_is_one_line(start_bigquery: Any, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = start_and_wait("--port", port, "--data-dir", tmp_path / "d")
    assert ended.returncode == 1
    assert ended.stderr.splitlines() == [
        f"Cannot listen on 127.0.0.1:{port} (Address already in use): stop what holds it, or change the port"
    ]


def test_a_data_folder_in_use_is_one_line(start_bigquery: Any, tmp_path: Path) -> None:
    start_bigquery(tmp_path / "data")
    ended = start_and_wait("--port", "0", "--data-dir", tmp_path / "data")
    assert ended.returncode == 1
    assert len(ended.stderr.splitlines()) == 1
    assert "Cannot open" in ended.stderr


def test_it_listens_on_loopback_only(bigquery_server: str) -> None:
    port = int(bigquery_server.rsplit(":", 1)[1])
    pid = next(c.pid for c in psutil.net_connections("tcp") if c.laddr.port == port and c.status == psutil.CONN_LISTEN)
    heard = {c.laddr for c in psutil.Process(pid).net_connections("tcp") if c.status == psutil.CONN_LISTEN}
    assert heard == {("127.0.0.1", port)}


def test_the_home_folder_stays_empty(start_bigquery: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    start_bigquery(tmp_path / "data")
    assert list(home.iterdir()) == []


def test_a_job_id_is_taken_once(client: bigquery.Client) -> None:
    name = uuid.uuid4().hex

    def submit(_: int) -> str:
        try:
            client.query("SELECT 1", job_id=name, job_retry=None)
        except ClientError as error:
            return type(error).__name__
        return "taken"

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(submit, range(4))) == ["Conflict", "Conflict", "Conflict", "taken"]
