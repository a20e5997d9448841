"""Who is notified of a run that failed or is late."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.sdk import BaseNotifier, Context

from lumbung.core.settings import Settings


class WebhookNotifier(BaseNotifier):
    """Posts a failed run as JSON to the address in LUMBUNG_NOTIFY_WEBHOOK, as chat services take it."""

    template_fields: Sequence[str] = ()

    def notify(self, context: Context) -> None:
        """Post `text`, `dag_id`, `run_id` and `reason`.

        Raises:
            LumbungError: as `post`.
        """
        from lumbung.core import settings

        url = settings.load().notify.webhook
        assert url
        run = context["dag_run"]
        reason = str(context.get("reason") or context.get("exception") or "failed")
        post(url.get_secret_value(), run.dag_id, run.run_id, "failed", reason)


def post(url: str, dag_id: str, run_id: str, what: str, reason: str) -> None:
    """Post what happened to a run.

    Args:
        url: the address; its path is a secret.
        dag_id: the run's DAG.
        run_id: the run.
        what: what happened, as in `failed`.
        reason: why.

    Raises:
        LumbungError: the address does not take it; the message does not quote it.
    """
    import requests

    from lumbung.core import settings
    from lumbung.core.errors import LumbungError

    text = f"Lumbung: {dag_id} {run_id} {what}: {reason}"
    body = {"text": text, "dag_id": dag_id, "run_id": run_id, "reason": reason}
    try:
        answer = requests.post(url, json=body, timeout=30)
        fault = "" if answer.ok else f"the address answered {answer.status_code}"
    except requests.RequestException as error:
        fault = f"the address does not answer ({type(error).__name__})"
    if fault:  # raised outside of `except`: requests' errors quote the address
        raise LumbungError(
            fault, where=settings.variable("notify_webhook"), remedy="see that it is the one that the service gave"
        )


def report(settings: Settings, dag_id: str, run_id: str, what: str, reason: str) -> None:
    """Notify everybody whom the settings name, outside of a DAG.

    Args:
        settings: name them.
        dag_id: the run's DAG.
        run_id: the run.
        what: what happened, as in `is late`.
        reason: why.

    Raises:
        LumbungError: as `post`.
    """
    try:
        if settings.notify.email:
            from airflow.providers.smtp.notifications.smtp import SmtpNotifier

            text = f"<p>{run_id} {what}: {reason}.</p>"
            SmtpNotifier(to=settings.notify.email, subject=f"Lumbung: {dag_id} {what}", html_content=text).notify({})
    finally:  # a mail server that is away does not keep the other from being notified
        if settings.notify.webhook:
            post(settings.notify.webhook.get_secret_value(), dag_id, run_id, what, reason)


def failure_notifiers(settings: Settings) -> list[Any]:
    """The notifiers that the settings ask for."""
    notifiers: list[Any] = []
    if settings.notify.email:
        from airflow.providers.smtp.notifications.smtp import SmtpNotifier

        notifiers.append(
            SmtpNotifier(
                to=settings.notify.email,
                subject="Lumbung: {{ dag.dag_id }} failed",
                html_content="<p>{{ dag_run.run_id }} failed. See its log in Airflow.</p>",
            )
        )
    if settings.notify.webhook:
        notifiers.append(WebhookNotifier())
    return notifiers
