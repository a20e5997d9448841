"""Who hears of a failed run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.sdk import BaseNotifier, Context

from lumbung.settings import Settings


class WebhookNotifier(BaseNotifier):
    """Posts a failed run as JSON to the address in LUMBUNG_NOTIFY_WEBHOOK, as chat services take it."""

    template_fields: Sequence[str] = ()

    def notify(self, context: Context) -> None:
        """Post `text`, `dag_id`, `run_id` and `reason`.

        Raises:
            requests.HTTPError: the address does not take it.
        """
        import requests

        from lumbung import settings

        url = settings.load().notify_webhook
        assert url
        run = context["dag_run"]
        reason = str(context.get("reason") or context.get("exception") or "failed")
        body = {
            "text": f"Lumbung: {run.dag_id} {run.run_id} failed: {reason}",
            "dag_id": run.dag_id,
            "run_id": run.run_id,
            "reason": reason,
        }
        requests.post(url.get_secret_value(), json=body, timeout=30).raise_for_status()


def failure_notifiers(settings: Settings) -> list[Any]:
    """The notifiers that the settings ask for."""
    notifiers: list[Any] = []
    if settings.notify_email:
        from airflow.providers.smtp.notifications.smtp import SmtpNotifier

        notifiers.append(
            SmtpNotifier(
                to=settings.notify_email,
                subject="Lumbung: {{ dag.dag_id }} failed",
                html_content="<p>{{ dag_run.run_id }} failed. See its log in Airflow.</p>",
            )
        )
    if settings.notify_webhook:
        notifiers.append(WebhookNotifier())
    return notifiers
