"""Who hears of a failed run."""

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
            LumbungError: the address does not take it; the message does not quote it, as its path is a secret.
        """
        import requests

        from lumbung.core import settings
        from lumbung.core.errors import LumbungError

        url = settings.load().notify.webhook
        assert url
        run = context["dag_run"]
        reason = str(context.get("reason") or context.get("exception") or "failed")
        body = {
            "text": f"Lumbung: {run.dag_id} {run.run_id} failed: {reason}",
            "dag_id": run.dag_id,
            "run_id": run.run_id,
            "reason": reason,
        }
        try:
            answer = requests.post(url.get_secret_value(), json=body, timeout=30)
            what = "" if answer.ok else f"the address answered {answer.status_code}"
        except requests.RequestException as error:
            what = f"the address does not answer ({type(error).__name__})"
        if what:  # raised outside of `except`: requests' errors quote the address
            raise LumbungError(
                what, where=settings.variable("notify_webhook"), remedy="see that it is the one that the service gave"
            )


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
