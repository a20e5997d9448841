"""Airflow's REST API, as far as the command line uses it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any, Literal, Self
from urllib.parse import quote, unquote, urlsplit

import requests

from lumbung.core.day import JAKARTA
from lumbung.core.errors import LumbungError

PAGE = 100
TIMEOUT = 30
ENDED = ("success", "failed")
"""The states of a run that is over."""

Json = dict[str, Any]


class ApiError(LumbungError):
    """Airflow's API refused a request; `status` is HTTP's."""

    def __init__(self, what: str, *, where: str, status: int) -> None:
        super().__init__(what, where=where)
        self.status = status


class Api:
    """The API of one Airflow.

    Every method raises LumbungError with the API's own words when the API refuses or does not answer.

    Args:
        url: address without a path.
        user: name to log in with.
        password: its password.
    """

    def __init__(self, url: str, user: str, password: str) -> None:
        self.url, self._login = url, {"username": user, "password": password}
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy cannot reach it

    @classmethod
    def at(cls, address: str) -> Self:
        """The API at `http://user:password@host:port`, special characters percent-encoded."""
        url = urlsplit(address)
        plain = url._replace(netloc=url.netloc.rpartition("@")[2]).geturl().rstrip("/")
        return cls(plain, unquote(url.username or ""), unquote(url.password or ""))

    def health(self) -> Json:
        """State of the metadata database, the scheduler and the DAG processor."""
        return self._call("GET", "/monitor/health")

    def dag_ids(self) -> set[str]:
        """The DAGs it knows."""
        return {dag["dag_id"] for dag in self._all("/dags", "dags")}

    def refuse_paused(self, dag_id: str) -> None:
        """Let pass a DAG whose runs do not wait until a person lets them start.

        Raises:
            LumbungError: it is paused.
        """
        if self._call("GET", f"/dags/{dag_id}")["is_paused"]:
            raise LumbungError(
                f"the DAG {dag_id} is paused",
                where=self.url,
                remedy=f"unpause it on Airflow's page, or: lumbung airflow dags unpause {dag_id}",
            )

    def import_errors(self) -> dict[str, str]:
        """The stack trace of each DAG file that cannot be read, by file."""
        return {e["filename"]: e["stack_trace"] for e in self._all("/importErrors", "import_errors")}

    def trigger(self, dag_id: str, conf: Mapping[str, Any], note: str | None = None) -> str:
        """Start a run.

        Args:
            dag_id: the DAG.
            conf: the run's conf.
            note: a text that Airflow shows with the run.

        Returns:
            Its run_id.
        """
        body = {"logical_date": None, "conf": dict(conf), "note": note}
        return str(self._call("POST", f"/dags/{dag_id}/dagRuns", json=body)["dag_run_id"])

    def dag_run(self, dag_id: str, run_id: str) -> Json:
        """A run, as the API describes it."""
        return self._call("GET", f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}")

    def dag_runs(self, dag_id: str, **filters: Any) -> list[Json]:
        """Runs of a DAG; filters are the API's, such as `state="running"` or `order_by="-run_after"`."""
        return self._all(f"/dags/{dag_id}/dagRuns", "dag_runs", filters)

    def task_instances(self, dag_id: str, run_id: str) -> list[Json]:
        """The task instances of a run."""
        return self._all(f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}/taskInstances", "task_instances")

    def create_backfill(
        self,
        dag_id: str,
        from_date: date,
        to_date: date,
        *,
        reprocess_behavior: Literal["none", "failed", "completed"] = "none",
        reverse: bool = False,
        max_active_runs: int = 1,
    ) -> int:
        """Start a backfill.

        Args:
            dag_id: the DAG.
            from_date: first business day.
            to_date: last business day, included.
            reprocess_behavior: which days that had a run before are run again.
            reverse: newest day first.
            max_active_runs: runs at a time.

        Returns:
            Its id.
        """
        body = {
            "dag_id": dag_id,
            # The timetable takes the day in Jakarta; midnight UTC would still be in the future until seven.
            "from_date": datetime.combine(from_date, time.min, JAKARTA).isoformat(),
            "to_date": datetime.combine(to_date, time.min, JAKARTA).isoformat(),
            "reprocess_behavior": reprocess_behavior,
            "run_backwards": reverse,
            "max_active_runs": max_active_runs,
        }
        return int(self._call("POST", "/backfills", json=body)["id"])

    def backfill(self, backfill_id: int) -> Json:
        """A backfill; `completed_at` is None until its last run has ended."""
        return self._call("GET", f"/backfills/{backfill_id}")

    def list_backfills(self, dag_id: str, *, active: bool = False) -> list[Json]:
        """The backfills of a DAG; with `active`, those that have not ended."""
        backfills = self._all("/backfills", "backfills", {"dag_id": dag_id})
        return [backfill for backfill in backfills if not (active and backfill["completed_at"])]

    def _all(self, path: str, name: str, params: Mapping[str, Any] | None = None) -> list[Json]:
        items: list[Json] = []
        while True:
            page = self._call("GET", path, params={**(params or {}), "limit": PAGE, "offset": len(items)})
            items += page[name]
            if not page[name] or len(items) >= page["total_entries"]:
                return items

    def _call(self, method: str, path: str, **request: Any) -> Json:
        try:
            response = self._session.request(method, f"{self.url}/api/v2{path}", timeout=TIMEOUT, **request)
            if response.status_code == requests.codes.unauthorized:
                login = self._session.post(f"{self.url}/auth/token", json=self._login, timeout=TIMEOUT)
                self._session.headers["Authorization"] = f"Bearer {self._content(login)['access_token']}"
                response = self._session.request(method, f"{self.url}/api/v2{path}", timeout=TIMEOUT, **request)
        except requests.RequestException as error:
            raise LumbungError(
                f"Airflow does not answer ({type(error).__name__})", where=self.url, remedy="is `lumbung up` running?"
            ) from error
        return self._content(response)

    def _content(self, response: requests.Response) -> Json:
        if not response.ok:
            try:
                detail = response.json()["detail"]
            except (requests.JSONDecodeError, KeyError, TypeError):
                detail = response.text[:500] or response.reason
            raise ApiError(
                f"Airflow refused with status {response.status_code}: {detail}",
                where=f"{response.request.method} {response.url}",
                status=response.status_code,
            )
        content: Json = response.json()
        return content
