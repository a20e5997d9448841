"""What the pipeline asks of a system: `lumbung.systems` has one of these for each folder."""

from __future__ import annotations

from abc import ABC
from typing import ClassVar


class System(ABC):
    """A system whose sources are gathered daily.

    DAG files are parsed for each task, so methods import what is heavy themselves.

    Attributes:
        name: its folder in `lumbung.systems`, and `system` in the contracts of its tables.
        dag_id: its DAG.
        label: what people call it.
    """

    name: ClassVar[str]
    dag_id: ClassVar[str]
    label: ClassVar[str]
