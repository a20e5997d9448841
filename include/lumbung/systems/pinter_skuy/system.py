"""pinter-skuy as the pipeline sees it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lumbung.pipeline.system import SnapshotSystem

if TYPE_CHECKING:
    from lumbung.core.settings import Settings
    from lumbung.serving.drill import Drill
    from lumbung.serving.schema import EnrollmentAnswers, Section
    from lumbung.storage.lake import Lake
    from lumbung.storage.warehouse import Warehouse


class PinterSkuy(SnapshotSystem):
    """An edu-tech: students, mentors, courses and enrollments, taken as snapshots."""

    name = "pinter_skuy"
    dag_id = "enrollment"
    label = "pinter-skuy"

    # What people and programs read.

    position = 1
    counts_all_days = False

    def answers(self, warehouse: Warehouse) -> EnrollmentAnswers:
        """The answers to its three questions."""
        from lumbung.systems.pinter_skuy.answers import answers

        return answers(warehouse)

    def section(self, warehouse: Warehouse, lake: Lake) -> Section:  # noqa: ARG002 - tables have it all
        """Its part of the report page."""
        from lumbung.systems.pinter_skuy.report import read, section

        return section(read(warehouse), self.label)

    def drill(self) -> Drill:
        """The enrollments of a city, a category or a mentor."""
        from lumbung.serving.drill import Drill

        return Drill(
            "datamart.course_enrollment_summary",
            columns=("student_name", "city", "course_title", "course_type", "mentor_name", "student_id", "course_id"),
            by=("city", "course_category_id", "mentor_id"),
            personal=("student_name", "student_id"),
            counted="enrollment_count",
        )

    def looker_url(self, settings: Settings) -> str | None:
        """A link that opens a Looker Studio report on the summary; None: the warehouse is local."""
        from lumbung.systems.pinter_skuy.looker import looker_url

        return looker_url(settings) if settings.project else None

    def generate(
        self, folder: Path, *, rows: int, seed: int, progress: Callable[[str, int, int], None]
    ) -> dict[str, int]:
        """Write synthetic sources; `rows` are those of the enrollments."""
        from lumbung.systems.pinter_skuy.generate import generate

        return generate(folder, enrollments=rows, seed=seed, progress=progress)


SYSTEM = PinterSkuy()
