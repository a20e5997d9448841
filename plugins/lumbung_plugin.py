"""What Airflow must know by name. It loads the files of this folder as top-level modules: see `.airflowignore`."""

from functools import cached_property
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from lumbung_airflow.deadline import PublishedBy
from lumbung_airflow.links import RunLink
from lumbung_airflow.timetable import DailyTimetable


class LumbungPlugin(AirflowPlugin):
    """Registers what the scheduler needs to read our DAGs (timetable, deadline), the links of tasks, and the pages.

    Every process of Airflow loads this file. Only the API server asks for the pages, and only then they are imported.
    """

    name = "lumbung"
    timetables = [DailyTimetable]  # noqa: RUF012
    deadline_references = [PublishedBy]  # noqa: RUF012
    operator_extra_links = [RunLink()]  # noqa: RUF012

    @cached_property
    def fastapi_apps(self) -> list[dict[str, Any]]:
        """The app of the pages."""
        from lumbung_airflow.pages.app import PREFIX, app

        return [{"app": app, "url_prefix": PREFIX, "name": "Lumbung"}]

    @cached_property
    def external_views(self) -> list[dict[str, Any]]:
        """Where the pages stand in Airflow's own."""
        from lumbung_airflow.pages.views import views

        return views()
