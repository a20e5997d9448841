"""Starting and stopping the server."""

import http.client
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from pydantic import SecretStr

from lumbung.core.errors import LumbungError
from lumbung.core.settings import Settings
from lumbung.serving.api import server
from support import listening
from support.model_api import KEY, Server, content


def settings(home: Path) -> Settings:
    return Settings.of(home=home, api_keys=SecretStr(KEY))


@pytest.mark.parametrize("host", ["127.0.0.1", "192.0.2.1", "no-such-host.invalid"])
def test_an_address_that_cannot_be_had(tmp_path: Path, host: str):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LumbungError, match=f"{host}:{port}: the API cannot listen there") as error:
            server.serve(settings(tmp_path), host, port, pytest.fail)
    assert "--port" in str(error.value)


def test_only_this_machine_reaches_it(api: Server):
    addresses = listening.addresses([psutil.Process(api.process.pid)])
    assert list(addresses) == [(urlsplit(api.url).hostname, urlsplit(api.url).port)]
    assert listening.reachable(addresses) == {}


def test_what_the_importer_of_serve_pays():
    heavy = ("uvicorn", "numpy", "msgspec", "google.cloud.storage", "pyarrow", "scipy")
    program = f"import sys; import lumbung.serving.api.server; print([n for n in {heavy} if n in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "[]"


def test_the_server_has_no_libraries_of_training(api: Server):
    maps = Path(f"/proc/{api.process.pid}/maps").read_text()
    assert "numpy" in maps
    assert not [name for name in ("scipy", "pyarrow", "sklearn", "pandas", "grpc") if f"/{name}/" in maps]


def test_an_answer_is_one_without_delay(api: Server):
    """Head and body leave at once, not when the client has acknowledged the head: 40 ms on a kept connection."""
    connection = http.client.HTTPConnection(urlsplit(api.url).netloc)
    times = []
    for _ in range(30):
        started = time.perf_counter()
        connection.request("GET", "/healthz")
        connection.getresponse().read()
        times.append(time.perf_counter() - started)
    connection.close()
    assert min(times[5:]) < 0.03


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_request_that_is_under_way_is_answered_before_the_end(serve, how: signal.Signals):
    started, shelf = serve()
    shelf.release(shelf.add("b-1", content(1)))
    started.wait_for(1)
    body = b'{"student_id": "student-1"}'
    connection = http.client.HTTPConnection(urlsplit(started.url).netloc, timeout=20)
    connection.putrequest("POST", "/v1/models/b-1/recommend")
    connection.putheader("Authorization", f"Bearer {KEY}")
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body[:5])
    started.get("/healthz")
    started.process.send_signal(how)
    time.sleep(0.3)
    connection.send(body[5:])
    answer = connection.getresponse()
    assert (answer.status, b'"model":"b-1"' in answer.read()) == (200, True)
    started.process.wait(20)
    assert "Traceback" not in started.log.read_text()
