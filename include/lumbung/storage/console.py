"""Addresses of tables and jobs in the BigQuery console; its own links look like these."""

from __future__ import annotations

from urllib.parse import quote

from lumbung.core.settings import Settings

CONSOLE = "https://console.cloud.google.com/bigquery"


def table_url(settings: Settings, address: str) -> str | None:
    """A table; None: a local server has no console.

    Args:
        settings: name the project.
        address: the table, as in `dwh.dim_student`.
    """
    if not settings.project:
        return None
    dataset, _, table = address.partition(".")
    project = quote(settings.project)
    name = f"d={quote(settings.dataset_prefix + dataset)}&p={project}&page=table&t={quote(table)}"
    return f"{CONSOLE}?referrer=search&project={project}&{name}"


def job_url(settings: Settings, job_id: str) -> str | None:
    """A job; None: a local server has no console.

    Args:
        settings: name the project and its location.
        job_id: the job.
    """
    if not settings.project:
        return None
    project = quote(settings.project)
    return f"{CONSOLE}?project={project}&ws=!1m5!1m4!1m3!1s{project}!2s{quote(job_id)}!3s{quote(settings.location)}"
