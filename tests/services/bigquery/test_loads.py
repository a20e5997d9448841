"""How load jobs read files, also where the data folder lies under folders that look like columns and patterns."""

import datetime
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.api_core.exceptions import BadRequest
from google.cloud import bigquery

from support.bigquery_client import connect, copy, parquet, query, rows_of
from support.bigquery_process import run_inside

SCHEMA = [bigquery.SchemaField(name, "STRING") for name in ("dt", "id")]
FILES = {
    "PARQUET": parquet({"dt": ["own"], "id": ["a"]}),
    "CSV": b"own,a\n",
    "NEWLINE_DELIMITED_JSON": b'{"dt": "own", "id": "a"}\n',
}


@pytest.fixture(scope="module")
def client(start_bigquery: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[bigquery.Client]:
    folder = tmp_path_factory.mktemp("keys") / "dt=2020-01-01" / "x=1" / "[ab]*"
    folder.mkdir(parents=True)
    process, url = start_bigquery(folder / "data")
    connected = connect(url)
    connected.create_dataset("d")
    yield connected
    process.kill()
    process.wait()


@pytest.mark.parametrize(
    ("kind", "schema"),
    [*((kind, SCHEMA) for kind in FILES), *((kind, None) for kind in FILES if kind != "CSV")],  # its file has no header
)
def test_a_load_takes_no_columns_from_the_path(client: bigquery.Client, kind: str, schema: Any) -> None:
    config = bigquery.LoadJobConfig(source_format=kind, schema=schema, write_disposition="WRITE_TRUNCATE")
    client.load_table_from_file(io.BytesIO(FILES[kind]), "d.loaded", job_config=config).result(timeout=60)
    assert [field.name for field in client.get_table("d.loaded").schema] == ["dt", "id"]
    assert rows_of(client.query_and_wait("SELECT dt, id FROM d.loaded")) == [("own", "a")]


def test_a_job_that_asks_for_columns_from_the_path_gets_them(client: bigquery.Client, tmp_path: Path) -> None:
    file = tmp_path / "year=2026" / "f.parquet"
    file.parent.mkdir()
    file.write_bytes(FILES["PARQUET"])
    hive = bigquery.HivePartitioningOptions()
    hive.mode, hive.source_uri_prefix = "AUTO", f"file://{tmp_path}"
    config = bigquery.LoadJobConfig(source_format="PARQUET", hive_partitioning=hive)
    client.load_table_from_uri(f"file://{file}", "d.keys", job_config=config).result(timeout=60)
    assert rows_of(client.query_and_wait("SELECT dt, id, year FROM d.keys")) == [("own", "a", 2026)]


def test_a_copy_that_shares_its_file_takes_no_columns_from_the_path(client: bigquery.Client) -> None:
    made = "SELECT GENERATE_UUID() AS dt, id FROM UNNEST(GENERATE_ARRAY(1, 60000)) AS id"
    query(client, made, "d.source")
    copy(client, "local.d.source", "local.d.target")
    counts = "SELECT COUNT(DISTINCT dt), MIN(dt), SUM(id) FROM d."
    (source,), (target,) = (rows_of(client.query_and_wait(counts + name)) for name in ("source", "target"))
    assert source == target
    assert source[0] == 60000


def test_a_large_upload_is_taken_over_as_it_is(start_bigquery: Any, tmp_path: Path) -> None:
    client = connect(start_bigquery(tmp_path / "data")[1])
    client.create_dataset("d")
    codes = [f"{number:064x}" for number in range(60_000)]

    def content(day: str, codes: list[str]) -> bytes:
        days = [datetime.date.fromisoformat(day)] * len(codes)
        return parquet({"dt": days, "id": codes}, compression="none", use_dictionary=False)

    def load(data: bytes, target: str) -> None:
        schema = [bigquery.SchemaField("dt", "DATE"), bigquery.SchemaField("id", "STRING")]
        config = bigquery.LoadJobConfig(source_format="PARQUET", schema=schema, write_disposition="WRITE_TRUNCATE")
        config.time_partitioning = bigquery.TimePartitioning(field="dt")
        client.load_table_from_file(io.BytesIO(data), target, job_config=config).result(timeout=60)

    def is_stored(data: bytes) -> bool:
        return any(path.read_bytes() == data for path in (tmp_path / "data" / "local").rglob("*.parquet"))

    def rows() -> list[Any]:
        return rows_of(client.query_and_wait("SELECT dt, COUNT(*), MIN(id), MAX(id) FROM d.t GROUP BY dt ORDER BY dt"))

    first, second = content("2026-01-01", codes), content("2026-01-02", codes[:50_000])
    load(first, "d.t$20260101")
    load(second, "d.t$20260102")
    assert is_stored(first)
    assert is_stored(second)
    assert not list((tmp_path / "data" / "uploads").iterdir())
    expected = [
        (datetime.date(2026, 1, number), len(part), part[0], part[-1])
        for number, part in ((1, codes), (2, codes[:50_000]))
    ]
    assert rows() == expected
    for data, message in (
        (content("2026-01-03", codes), "different partitions.* 20260101"),
        (first[: len(first) // 2] + b"x" * 4096 + first[len(first) // 2 + 4096 :], "Error while reading data"),
    ):
        with pytest.raises(BadRequest, match=message):
            load(data, "d.t$20260101")
        assert rows() == expected
    client.query_and_wait(f"DELETE FROM d.t WHERE dt = '2026-01-01' AND id > '{codes[9]}'")
    load(content("2026-01-01", codes[:50_000]), "d.t$20260101")
    assert rows() == [(datetime.date(2026, 1, 1), *expected[1][1:]), *expected[1:]]
    load(first, "d.t")
    assert rows() == expected[:1]


TAKEN_AND_WRITTEN = """
import datetime, io, itertools, random
import pyarrow as pa
import pyarrow.parquet as pq
from bigquery import loads
from local_bigquery.catalog import tables
from local_bigquery.jobs import runner
from local_bigquery.models import JobConfiguration

draw, jobs, taken = random.Random(SEED), itertools.count(), set()
TEXTS = ["", "a", "B", "\\u00e9", "\\0", "\\U0001f600", "x" * 300, "0", "NaN", " ", "'"]
DAYS = [datetime.date(*day) for day in [*[(2026, 1, 1)] * 6, (2026, 1, 2), (1, 1, 1), (9999, 12, 31)]]
KINDS = {
    "STRING": (pa.string(), "VARCHAR", lambda: "".join(draw.choices(TEXTS, k=draw.randrange(3)))),
    "INT64": (pa.int64(), "BIGINT", lambda: draw.choice([0, 1, -1, 2**63 - 1, -(2**63)])),
    "DATE": (pa.date32(), "DATE", lambda: draw.choice(DAYS)),
    "FLOAT64": (pa.float64(), "DOUBLE", lambda: draw.choice([0.0, float("nan"), 1.5])),
    "BOOL": (pa.bool_(), "BOOLEAN", lambda: draw.random() < 0.5),
}
OTHER = {"INT64": pa.int32(), "STRING": pa.large_string(), "DATE": pa.timestamp("us")}
take = loads.takeable_files

def spy(*args):
    files = take(*args)
    taken.add(bool(files))
    return files

loads.takeable_files = spy

def make():
    kinds = draw.choices(list(KINDS)[: draw.choice([3, 3, 3, 5])], k=draw.randrange(1, 4))
    size, day, is_mixed = draw.randrange(1, 40), draw.choice(DAYS), draw.random() < 0.2
    blanks = draw.choice([0, 0, 0.3, 1])
    columns = [("day", pa.array([draw.choice(DAYS) if is_mixed else day for _ in range(size)], pa.date32()))]
    for number, kind in enumerate(kinds):
        arrow, _, value = KINDS[kind]
        array = pa.array([None if draw.random() < blanks else value() for _ in range(size)], arrow)
        if kind in OTHER and draw.random() < 0.1:
            array = array.cast(OTHER[kind], safe=False)
        columns.append((f"{draw.choice('c' * 20 + 'C')}{number}", array))
    draw.shuffle(columns)
    file = io.BytesIO()
    pq.write_table(
        pa.table(dict(columns)),
        file,
        row_group_size=draw.choice([1, 3, 100]),
        compression=draw.choice(["none", "snappy", "zstd"]),
        use_dictionary=draw.random() < 0.5,
        write_statistics=draw.random() < 0.8,
        data_page_version=draw.choice(["1.0", "2.0"]),
    )
    content, is_damaged = bytearray(file.getvalue()), draw.random() < 0.1
    if is_damaged:  # a bit of a value, not of the footer, by which every reader goes
        footer = 8 + int.from_bytes(content[-8:-4], "little")
        content[draw.randrange(4, len(content) - footer)] ^= 1 << draw.randrange(8)
    columns = [("day", "DATE"), *((f"c{number}", kind) for number, kind in enumerate(kinds))]
    return bytes(content), columns, day, is_damaged

def load(content, columns, table, least):
    loads.TAKEN_BYTES = least
    upload = Path(sys.argv[1]) / "upload"
    upload.write_bytes(content)
    config = {
        "destinationTable": {"projectId": "local", "datasetId": "d", "tableId": table},
        "sourceFormat": "PARQUET",
        "schema": {"fields": [{"name": name, "type": kind} for name, kind in columns]},
        "writeDisposition": "WRITE_TRUNCATE",
        "timePartitioning": {"type": "DAY", "field": "day"},
    }
    job = f"j{next(jobs)}"
    runner.submit("local", job, JobConfiguration.model_validate({"load": config}), str(upload))
    return runner.wait("local", job, 60_000).status.errorResult

def compare(columns):
    name, kind = draw.choice(columns)
    _, duckdb_type, value = KINDS[kind]
    sign = draw.choice(["=", "<", ">=", "<>", "IS NOT DISTINCT FROM"])
    params = [None if sign.startswith("IS") else value()]
    if "\\0" in str(params[0]):  # DuckLake puts the text into a statement of its own, which ends there
        return
    condition = f"{name} {sign} $1::{duckdb_type}"
    query = f"SELECT count(*), list(x::VARCHAR ORDER BY x::VARCHAR) FROM local.d.{{}} AS x WHERE {condition}"
    rows = [database.fetch(query.format(table), params) for table in ("taken", "written")]
    assert rows[0] == rows[1], (query, params, rows)

database.execute("CREATE SCHEMA local.d")
for _ in range(FILES):
    content, columns, day, is_damaged = make()
    suffix = draw.choice(["", f"${day.year:04}{day:%m%d}"])
    errors = [load(content, columns, table + suffix, least) for table, least in (("taken", 0), ("written", 1 << 60))]
    assert bool(errors[0]) == bool(errors[1]), errors
    # A damaged value that can be read may contradict the file's own statistics, by which rows are found.
    for _ in range(0 if errors[0] or is_damaged else 20):
        compare(columns)
    if draw.random() < 0.7:
        for table in ("taken", "written"):
            if tables.exists("local", "d", table):
                tables.delete("local", "d", table)
print(sorted(taken))
"""


def test_a_file_that_is_taken_over_reads_as_one_that_is_written(tmp_path: Path) -> None:
    script = TAKEN_AND_WRITTEN.replace("SEED", "1").replace("FILES", "8")
    assert run_inside(script, tmp_path).splitlines() == ["[False, True]"]
