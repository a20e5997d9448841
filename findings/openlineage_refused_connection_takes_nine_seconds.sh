#!/usr/bin/env bash
# OpenLineage's client takes nine seconds to notice that its receiver is not there, and each event does so again.
#
# Expected: OPENLINEAGE_URL names a port where nothing listens, so the connection is refused at once, and an event costs
# nothing. The client's `timeout`, of five seconds, bounds what an event may take.
# What happens: five retries of the connection, with pauses of 0, 0.6, 1.2, 2.4 and 4.8 seconds between them. A receiver
# that takes the connection and says nothing costs six times the timeout and the pauses: 39 seconds. The variables of
# the simple configuration (OPENLINEAGE_URL, OPENLINEAGE_API_KEY, OPENLINEAGE_ENDPOINT) change neither.
# Why it matters: Airflow's provider 2.20.3 sends two events for each task and waits up to `execution_timeout` for
# each, ten seconds by default. A catalogue that is stopped for an hour holds up every task by 18 seconds. A run of 35
# tasks here took minutes longer, and was green. `plugins/lumbung_airflow/receiver.py` asks once a minute.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/environment"
"$folder/environment/bin/pip" install --quiet --disable-pip-version-check openlineage-python==1.54.0
OPENLINEAGE_URL=http://127.0.0.1:9 "$folder/environment/bin/python" - <<'PYTHON'
import time
from datetime import UTC, datetime

from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import Job, Run, RunEvent, RunState
from requests.exceptions import ConnectionError

client = OpenLineageClient()
run = Run("01a228fb-22c8-70ae-b4f0-ab6c47a8331e")
event = RunEvent(
    eventTime=datetime.now(UTC).isoformat(),
    eventType=RunState.START,
    run=run,
    job=Job("namespace", "name"),
    producer="https://example.com",
)
for _ in range(2):
    started = time.monotonic()
    try:
        client.emit(event)
    except ConnectionError as error:
        seconds = time.monotonic() - started
        print(f"{seconds:.1f} s: {error}")
        assert "Connection refused" in str(error)
        assert seconds > 8, "it is noticed at once: this finding is out of date"
PYTHON
