"""Who is notified of failed runs."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from lumbung.core.settings import Settings, environment, variable
from lumbung.serving.schema import Finding

MAIL_CONNECTION = "AIRFLOW_CONN_SMTP_DEFAULT"


def check(settings: Settings) -> Iterator[Finding]:
    """Who is notified, and through what."""
    receivers = []
    if settings.notify.email:
        connection = MAIL_CONNECTION if MAIL_CONNECTION in environment() else "the connection smtp_default in Airflow"
        receivers.append(f"{settings.notify.email}, through {connection}")
    if settings.notify.webhook:
        receivers.append(f"a webhook at {urlsplit(settings.notify.webhook.get_secret_value()).hostname}")
    nobody = f"nobody: {variable('notify_email')} and {variable('notify_webhook')} are not set"
    yield Finding("notification", True, f"failed runs are reported to {' and '.join(receivers) or nobody}")
