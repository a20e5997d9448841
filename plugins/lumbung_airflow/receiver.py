"""Where OpenLineage's events go. A receiver that does not answer holds up a run once a minute, not each of its tasks.

Tasks that send in the same three seconds may each wait for it.

Every task is a process of its own, so a file says for all of them that the receiver was asked in vain.
"""

from __future__ import annotations

import os
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests
from airflow.configuration import AIRFLOW_HOME
from openlineage.client.transport.http import HttpConfig, HttpTransport

from lumbung.core.day import JAKARTA
from lumbung.core.errors import LumbungError

if TYPE_CHECKING:
    from openlineage.client.client import Event

URL, ENDPOINT, API_KEY = "OPENLINEAGE_URL", "OPENLINEAGE_ENDPOINT", "OPENLINEAGE_API_KEY"
DEFAULT_ENDPOINT = "api/v1/lineage"
SECONDS = 3.0
"""How long the receiver may take; less than `EXECUTION_TIMEOUT`, after which nobody hears what came of it."""
PAUSE_SECONDS = 60
# One that says it is busy is asked once more, at once; one that says nothing is not.
RETRY = {"total": 1, "connect": 0, "read": 0, "respect_retry_after_header": False}
AWAY = Path(AIRFLOW_HOME) / "openlineage-away"


class ReceiverConfig(HttpConfig):
    """What the variables say that OpenLineage's own client reads."""

    @classmethod
    def from_dict(cls, params: dict[str, Any]) -> HttpConfig:  # noqa: ARG003 - Airflow's settings hold no secret
        """The configuration of this process's environment."""
        key = os.environ.get(API_KEY)
        auth = {"type": "api_key", "apiKey": key} if key else {}
        place = {"url": os.environ[URL], "endpoint": os.environ.get(ENDPOINT) or DEFAULT_ENDPOINT}
        return super().from_dict({**place, "timeout": SECONDS, "retry": RETRY, "auth": auth})


class Receiver(HttpTransport):
    """Sends events, but none for a while where the last one was not taken."""

    kind = "lumbung"
    config_class = ReceiverConfig

    def emit(self, event: Event) -> requests.Response:
        """Send an event.

        Raises:
            LumbungError: the receiver did not answer a short time ago; nothing is sent.
            requests.RequestException: it does not answer now, or refused the event.
        """
        since = AWAY.stat().st_mtime if AWAY.exists() else 0
        if time.time() < since + PAUSE_SECONDS:
            moment = datetime.fromtimestamp(since, JAKARTA)
            raise LumbungError(
                f"{self.url} did not answer at {moment:%H:%M:%S %Z}; this event is not sent",
                where=URL,
                remedy=f"see that it runs; it is tried again after {PAUSE_SECONDS} seconds",
            )
        try:
            return super().emit(event)
        except (requests.ConnectionError, requests.exceptions.RetryError):  # it is away, too slow, or too busy
            AWAY.touch()
            raise
