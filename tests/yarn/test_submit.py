"""The script that submits the job of contract events, on a YARN with HDFS, as a node of a cluster runs it."""

from datetime import date

import pytest

from support import contract_files, spark_server, yarn

DAY = date(2026, 11, 24)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory, missing):
    if lacking := yarn.missing() or spark_server.missing():
        missing(lacking)
    with yarn.running(tmp_path_factory.mktemp("yarn")) as started:
        yield started


def options():
    """What a test cluster needs beside `qa.conf`: less memory, Spark's jars where they are, and its Python."""
    settings = {
        "spark.yarn.jars": f"local:{spark_server.home()}/jars/*",
        "spark.yarn.appMasterEnv.PYSPARK_PYTHON": f"{spark_server.ENVIRONMENT}/bin/python",
        "spark.executorEnv.PYSPARK_PYTHON": f"{spark_server.ENVIRONMENT}/bin/python",
        "spark.driver.memory": "768m",
        "spark.driver.memoryOverhead": "384m",
        "spark.executor.memory": "768m",
        "spark.executor.cores": "1",
        "spark.ui.enabled": "false",
    }
    return ["--", *(part for name, value in settings.items() for part in ("--conf", f"{name}={value}"))]


def test_a_job_in_cluster_mode_writes_to_hdfs_the_bytes_that_sail_writes(cluster, tmp_path):
    submit = contract_files.submitter(tmp_path / "node")
    files = contract_files.write(tmp_path / "a", 0)
    yarn.hdfs(cluster, "-mkdir", "-p", "/landing")
    yarn.hdfs(cluster, "-put", *map(str, files.values()), "/landing")
    given = [part for name, file in files.items() for part in (f"--{name}", f"/landing/{file.name}")]
    output = ["--output", "/out", "--cut", "6500000000"]
    done = submit("qa", "--day", f"{DAY}", *given, *output, *options(), HADOOP_CONF_DIR=f"{cluster.conf}")
    assert done.returncode == 0, done.stderr[-2000:] + yarn.logs(cluster)
    yarn.hdfs(cluster, "-get", "/out", f"{tmp_path}/out")
    expected = contract_files.by_sail(tmp_path / "a", None, DAY, tmp_path / "sail", cuts=["6500000000"])
    assert contract_files.contents(tmp_path / "out") == expected


def test_a_job_that_fails_gives_its_exit_code(cluster, tmp_path):
    submit = contract_files.submitter(tmp_path / "node")
    done = submit("qa", "hdfs:///missing/plan.json", *options(), HADOOP_CONF_DIR=f"{cluster.conf}")
    assert done.returncode not in (0, 2)
