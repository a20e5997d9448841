"""Airflow runs in the tests' own process."""

from support import airflow_process  # noqa: F401 - it sets the environment that Airflow reads when it is imported
