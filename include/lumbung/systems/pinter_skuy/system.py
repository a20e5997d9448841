"""pinter-skuy as the pipeline sees it."""

from lumbung.pipeline.system import System


class PinterSkuy(System):
    """An edu-tech: students, mentors, courses and enrollments, taken as snapshots."""

    name = "pinter_skuy"
    dag_id = "enrollment"
    label = "pinter-skuy"


SYSTEM = PinterSkuy()
