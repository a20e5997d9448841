"""How good the models are and how the batches differ, from what is published."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from lumbung.serving import published
from lumbung.serving.schema import ModelAnswers, ModelDrift, ModelQuality
from lumbung.storage.warehouse import Warehouse


def answers(warehouse: Warehouse) -> ModelAnswers:
    """Read the answers.

    Raises:
        LumbungError: no models are published yet.
    """
    quality = _rows(warehouse, ModelQuality, "model_quality", "kind, metric, number, scheme")
    drift = _rows(warehouse, ModelDrift, "model_drift", "batch, feature")
    return ModelAnswers([ModelQuality(**row) for row in quality], [ModelDrift(**row) for row in drift])


def _rows(warehouse: Warehouse, kind: type[Any], mart: str, order: str) -> list[dict[str, Any]]:
    columns = ", ".join(field.name for field in fields(kind))
    sql, missing = f"SELECT {columns} FROM {{0}} ORDER BY {order}", "no models are published yet"
    return published.rows(warehouse, sql, f"datamart.{mart}", missing=missing, command="lumbung models run")
