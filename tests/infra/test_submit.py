"""The script that submits the job of contract events: what it lists as missing, and a real spark-submit."""

import re
from datetime import date

import pyarrow.parquet as pq
import pytest

from lumbung.core.settings import ROOT
from support import contract_files, spark_server

SCRIPT = ROOT / "infra" / "submit" / "contracts.py"
DAY, NEXT_DAY = date(2026, 11, 24), date(2026, 11, 25)
CUT = "6500000000"


@pytest.fixture
def submit(tmp_path):
    """Run a copy of the script, beside which `build` is as `make package` writes it; gives what it did."""
    return contract_files.submitter(tmp_path / "node")


def test_everything_that_is_missing_is_listed_at_once(submit, tmp_path):
    done = submit("prod", "--accounts", "/a", "--contracts", "/c", build=False, SPARK_HOME=f"{tmp_path}/none")
    assert done.returncode == 2
    lines = [line.strip() for line in done.stderr.splitlines()]
    assert lines[0] == "contracts.py: this is missing:"
    assert lines[1:6] == [
        "--day",
        "--parties",
        "--addresses",
        "--output",
        "--contracts and --contract-parties together",
    ]
    assert lines[6].endswith("build/lumbung.zip: run make package")
    assert lines[8] == f"{tmp_path}/none/bin/spark-submit: install Spark 4, and set SPARK_HOME"
    assert lines[-1] == "HADOOP_CONF_DIR: the folder of the cluster's core-site.xml and yarn-site.xml"


def test_a_file_or_a_plan_of_this_machine_that_is_not_there_is_missing(submit, tmp_path):
    options = ["--accounts", "a.parquet", "--parties", "b", "--addresses", "hdfs:///c", "--output", "out"]
    errors = submit("local", "--day", f"{DAY}", *options).stderr
    assert "the file a.parquet" in errors
    assert "hdfs" not in errors
    assert "the plan plan.json" in submit("local", "plan.json").stderr


@pytest.mark.parametrize("name", ["local", "qa", "prod"])
def test_a_configuration_names_no_host_user_or_secret(name):
    text = (SCRIPT.parent / f"{name}.conf").read_text()
    settings = dict(line.split(None, 1) for line in text.splitlines() if line and not line.startswith("#"))
    assert settings["spark.master"] == ("local[2]" if name == "local" else "yarn")
    values = " ".join(value for value in settings.values() if value != "127.0.0.1")
    assert not re.search(r"://|[\w-]+\.[a-z]{2,}\b|\d+\.\d+\.\d+\.\d+", values)
    assert not [key for key in settings if re.search("password|secret|keytab|principal|token", key)]


def test_a_real_spark_submit_writes_the_bytes_that_sail_writes(submit, tmp_path, missing):
    if lacking := spark_server.missing():
        missing(lacking)
    first, second, sail = tmp_path / "first", tmp_path / "second", tmp_path / "sail"
    contract_files.write(tmp_path / "a", 0)
    contract_files.by_sail(tmp_path / "a", None, DAY, first)
    # The next day, compared with that.
    files = contract_files.write(tmp_path / "b", 20)
    given = [part for name, file in files.items() for part in (f"--{name}", f"{file}")]
    given += ["--contracts", f"{first}/contracts.parquet", "--contract-parties", f"{first}/parties.parquet"]
    done = submit("local", "--day", f"{NEXT_DAY}", *given, "--output", f"{second}", "--cut", CUT)
    assert done.returncode == 0, done.stderr[-3000:]
    expected = contract_files.by_sail(tmp_path / "b", first, NEXT_DAY, sail, cuts=[CUT])
    assert contract_files.contents(second) == expected
    operations = set(pq.read_table(second / "events.parquet")["operation"].to_pylist())
    assert operations == {"INSERT", "UPDATE", "DELETE"}
