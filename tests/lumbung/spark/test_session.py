"""Sessions of real engines, and the errors where there is none."""

import os
import socket
import threading

import psutil
import pytest
from pyspark.sql.connect.session import SparkSession

from lumbung.core.errors import LumbungError
from lumbung.core.settings import Settings
from lumbung.spark.session import _sail, session
from support import listening


def test_sail_runs_in_this_process_and_ends_with_the_session():
    for _ in range(2):
        with session(Settings.of(spark="sail")) as opened:
            assert opened.range(3).count() == 3
            assert opened.conf.get("spark.sql.session.timeZone") == "UTC"
    with _sail() as address:
        place = ("127.0.0.1", int(address.rpartition(":")[2]))
        socket.create_connection(place, timeout=5).close()
        listeners = listening.addresses([psutil.Process()])
        assert place in listeners
        assert not listening.reachable(listeners)
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(place, timeout=5)


def refusal(spark, **settings):
    with pytest.raises(LumbungError) as refused, session(Settings.of(spark=spark, **settings)):
        pytest.fail("a session was opened")
    assert refused.value.transient is spark.startswith("sc://"), "a server that was killed comes back"
    return str(refused.value)


@pytest.mark.filterwarnings("ignore:.*RETRIES_EXCEEDED")
def test_a_missing_server_is_reported_without_the_token():
    message = refusal("sc://127.0.0.1:1/;token=hidden;use_ssl=true")
    assert message.startswith("sc://127.0.0.1:1: no Spark Connect server answers, or it refuses: failed to connect")
    assert message.endswith("or set LUMBUNG_SPARK=sail.")
    assert "hidden" not in message
    assert SparkSession.getActiveSession() is None, "the next session would use this one"


@pytest.mark.filterwarnings("ignore:.*RETRIES_EXCEEDED")
def test_a_server_of_another_kind_is_reported_as_such():
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(1000)
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        threading.Thread(target=serve, daemon=True).start()
        assert "http1" in refusal(f"sc://127.0.0.1:{server.getsockname()[1]}")
        server.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("spark", ["dataproc", "dataproc-serverless"])
def test_dataproc_has_no_sessions(spark):
    message = refusal(spark, project="my-project", lake_uri="gs://granary")
    assert message.startswith(f"LUMBUNG_SPARK: {spark} takes jobs, not sessions.")


def test_sail_s_log_is_silent(capfd):
    os.environ.pop("RUST_LOG", None)
    with session(Settings.of(spark="sail")) as opened:
        opened.range(3).count()
    assert "Spark Connect server" not in capfd.readouterr().err
