#!/usr/bin/env bash
# Uvicorn with more than one worker answers each request of a kept connection 40 ms late.
#
# Expected: `--workers 2` changes how many processes answer, and a server has TCP_NODELAY set either way. What happens:
# with workers (and with --reload, or a socket that is handed over) uvicorn makes the socket itself, by
# socket.socket(family), whose protocol number is 0. asyncio sets TCP_NODELAY only on sockets whose number is
# IPPROTO_TCP, and an accepted socket inherits the 0. Uvicorn writes the head and the body of an answer apart, so the
# body waits until the client has acknowledged the head, and Linux delays that by 40 ms. With one worker asyncio makes
# the socket, with its number, and nothing waits.
# Why it matters: an answer that takes half a millisecond takes 44, at any load, and only where connections are kept:
# in production behind a proxy, not in a test that opens one for each request. This project's server had it, since it
# binds its own socket; socket.socket(family, type, IPPROTO_TCP) is the way out.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv environment
environment/bin/pip install --quiet --disable-pip-version-check uvicorn==0.54.0 httptools==0.9.0
cat >app.py <<'PYTHON'
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})
PYTHON
cat >ask.py <<'PYTHON'
import http.client
import platform
import statistics
import subprocess
import sys
import time
from importlib.metadata import version

print("Python", platform.python_version(), "uvicorn", version("uvicorn"), "httptools", version("httptools"))


def median(*options):
    """Milliseconds of an answer on a kept connection."""
    command = [sys.executable, "-m", "uvicorn", "app:app", "--port", "18090", "--lifespan", "off"]
    command += ["--log-level", "critical", *options]
    server, times = subprocess.Popen(command), []
    try:
        connection, deadline = http.client.HTTPConnection("127.0.0.1", 18090, timeout=10), time.monotonic() + 60
        while len(times) < 41:
            started = time.perf_counter()
            try:
                connection.request("GET", "/")
                connection.getresponse().read()
            except OSError:
                if time.monotonic() > deadline:
                    raise
                connection.close()
                time.sleep(0.1)
            else:
                times.append(time.perf_counter() - started)
    finally:
        server.terminate()
        server.wait()
    return statistics.median(times) * 1000


changed = False
for options, slow in (((), False), (("--workers", "2"), True), ((), False), (("--workers", "2"), True)):
    took = median(*options)
    print(f"{' '.join(options) or 'one worker':12} {took:5.1f} ms")
    changed |= (took > 35) != slow
sys.exit(changed)
PYTHON
environment/bin/python ask.py
