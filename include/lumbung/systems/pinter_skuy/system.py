"""pinter-skuy as the pipeline sees it."""

from lumbung.pipeline.system import SnapshotSystem


class PinterSkuy(SnapshotSystem):
    """An edu-tech: students, mentors, courses and enrollments, taken as snapshots."""

    name = "pinter_skuy"
    dag_id = "enrollment"
    label = "pinter-skuy"


SYSTEM = PinterSkuy()
