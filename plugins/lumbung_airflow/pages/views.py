"""Where pages stand in Airflow's UI: in the navigation, as tabs of a DAG and of a run."""

from __future__ import annotations

from typing import Any

from lumbung.core import settings
from lumbung.systems.registry import all_systems

# Airflow resolves addresses without a slash against its own base address.
PAGES: list[dict[str, Any]] = [
    {"name": "Laporan", "href": "lumbung/report", "destination": "nav", "url_route": "laporan", "nav_top_level": True},
    {
        "name": "Katalog",
        "href": "lumbung/catalogue",
        "destination": "nav",
        "url_route": "katalog",
        "nav_top_level": True,
    },
    {"name": "Laporan", "href": "lumbung/report", "destination": "dag", "url_route": "laporan-dag"},
    {
        "name": "Hasil",
        "href": "lumbung/run/{DAG_ID}/{RUN_ID}",
        "destination": "dag_run",
        "url_route": "hasil",
    },
]


def views() -> list[dict[str, Any]]:
    """The pages; and a link to Looker Studio where one is set: that does not let itself be shown in a frame."""
    loaded = settings.load()
    urls = [url for system in all_systems() if (url := system.looker_url(loaded))]
    return [
        *(dict(page) for page in PAGES),
        *({"name": "Looker Studio", "href": url, "destination": "nav"} for url in urls[:1]),
    ]
