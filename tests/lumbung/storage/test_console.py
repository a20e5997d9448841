"""Addresses in the BigQuery console."""

from lumbung.core.settings import Settings
from lumbung.storage.console import job_url, table_url

REAL = Settings.of(project="my-project", dataset_prefix="team_", location="asia-southeast2")


def test_a_table_and_a_job_have_an_address_in_a_real_project() -> None:
    assert table_url(REAL, "dwh.dim_student") == (
        "https://console.cloud.google.com/bigquery?referrer=search&project=my-project"
        "&d=team_dwh&p=my-project&page=table&t=dim_student"
    )
    assert job_url(REAL, "lumbung_1") == (
        "https://console.cloud.google.com/bigquery?project=my-project"
        "&ws=!1m5!1m4!1m3!1smy-project!2slumbung_1!3sasia-southeast2"
    )


def test_a_local_server_has_no_console() -> None:
    assert table_url(Settings.of(), "dwh.dim_student") is None
    assert job_url(Settings.of(), "lumbung_1") is None
