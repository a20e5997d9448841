from datetime import date
from typing import Any

from lumbung.orchestrator import backfill


class SlowToSay:
    """Stands for an Airflow after the last run's end, before its scheduler's next look half a minute later."""

    def __init__(self, states: list[dict[str, str]]) -> None:
        self.states = states

    def refuse_paused(self, dag_id: str) -> None:
        pass

    def list_backfills(self, dag_id: str, *, active: bool = False) -> list[Any]:
        return []

    def create_backfill(self, dag_id: str, start: date, end: date, **how: Any) -> int:
        return 7

    def backfill(self, number: int) -> dict[str, Any]:
        return {"created_at": "2026-11-20T00:00:00Z", "completed_at": None}

    def dag_runs(self, dag_id: str, **filters: Any) -> list[dict[str, Any]]:
        if filters.get("run_type") != "backfill":
            return []
        states = self.states.pop(0)
        return [{"state": state, "partition_key": day} for day, state in states.items() if state in filters["state"]]


def test_a_backfill_is_over_when_its_last_day_has_ended(monkeypatch) -> None:
    monkeypatch.setattr(backfill, "POLL_SECONDS", 0)
    api: Any = SlowToSay(
        [
            {"2026-11-10": "success", "2026-11-11": "running"},
            {"2026-11-10": "success", "2026-11-11": "failed"},
        ]
    )
    progress: list[int] = []
    first, last = date(2026, 11, 10), date(2026, 11, 11)
    results = backfill.backfill(
        api, "enrollment", first, last, reverse=False, parallel=2, progress=lambda done, _: progress.append(done)
    )
    assert results == {first: "success", last: "failed"}
    assert progress == [1, 2]
    assert not api.states
