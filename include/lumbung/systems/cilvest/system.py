"""Cilvest as the pipeline sees it."""

from lumbung.pipeline.system import System


class Cilvest(System):
    """An investment manager: tweets about saham, reksadana and sukuk, landed from Kafka."""

    name = "cilvest"
    dag_id = "tweets"
    label = "Cilvest"


SYSTEM = Cilvest()
