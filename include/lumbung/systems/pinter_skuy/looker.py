"""Looker Studio over the marts of pinter-skuy."""

from __future__ import annotations

from urllib.parse import urlencode

from lumbung.core.settings import Settings

TABLE = "course_enrollment_summary"


def looker_url(settings: Settings) -> str:
    """A link that opens a new Looker Studio report over the summary table, by the Linking API.

    Parameters as in https://developers.google.com/looker-studio/integrate/linking-api.
    """
    return "https://lookerstudio.google.com/reporting/create?" + urlencode(
        {
            "c.mode": "edit",
            "r.reportName": "Lumbung: pinter-skuy",
            "ds.ds0.connector": "bigQuery",
            "ds.ds0.type": "TABLE",
            "ds.ds0.projectId": settings.project_id,
            "ds.ds0.datasetId": f"{settings.dataset_prefix}datamart",
            "ds.ds0.tableId": TABLE,
            "ds.ds0.datasourceName": TABLE,
        }
    )
