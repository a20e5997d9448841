"""Buttons on a task's page: to its run's page, its table and its job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey


class RunLink(BaseOperatorLink):
    """The page of the run; the API server makes the address, so no task is asked for it."""

    name = "Lumbung: this run"

    @property
    def operators(self) -> list[type[BaseOperator]]:  # type: ignore[override]
        """The operators of daily DAGs; only the API server asks for them."""
        from lumbung_airflow import operators, step

        kinds = {**vars(step), **vars(operators)}.values()
        return [kind for kind in kinds if isinstance(kind, type) and hasattr(kind, "execute")]

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002
        """Its address."""
        from airflow.configuration import conf

        base = conf.get("api", "base_url", fallback="").rstrip("/")
        return f"{base}/lumbung/run/{quote(ti_key.dag_id)}/{quote(ti_key.run_id, safe='')}"


class TableLink(BaseOperatorLink):
    """The table that a task makes; of a build the one that is published."""

    name = "BigQuery table"

    def get_link(self, operator: Any, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002
        """Its address; Airflow asks in the task's own process, at its end."""
        return operator.table_url or ""


class JobLink(BaseOperatorLink):
    """The task's job."""

    name = "BigQuery job"

    def get_link(self, operator: Any, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002
        """Its address; empty where there was nothing to do."""
        return operator.job_url or ""
