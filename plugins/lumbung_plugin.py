"""What Airflow must know by name. It loads the files of this folder as top-level modules: see `.airflowignore`."""

from airflow.plugins_manager import AirflowPlugin

from lumbung_airflow.deadline import PublishedBy
from lumbung_airflow.links import RunLink
from lumbung_airflow.timetable import DailyTimetable


class LumbungPlugin(AirflowPlugin):
    """Registers timetable and deadline, so that the scheduler can read a DAG that has them, and the links of tasks."""

    name = "lumbung"
    timetables = [DailyTimetable]  # noqa: RUF012
    deadline_references = [PublishedBy]  # noqa: RUF012
    operator_extra_links = [RunLink()]  # noqa: RUF012
