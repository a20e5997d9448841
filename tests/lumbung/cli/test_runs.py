"""What a command says of a run that has ended. The run is a stand-in: real ones are in tests/system/test_cli.py."""

from datetime import date
from pathlib import Path

import pytest

from lumbung.cli import runs
from lumbung.core.settings import Settings
from lumbung.local.services import Services

DAY = date(2026, 11, 10)


@pytest.mark.parametrize(("skipped", "is_said"), [(True, True), (False, False)])
def test_a_run_that_published_nothing_says_why(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    skipped: bool,
    is_said: bool,
) -> None:
    settings = Settings.of(home=tmp_path)
    recorded = {"publish": {"rows_out": 0, "skipped": skipped}}
    monkeypatch.setattr(runs, "_run_alone", lambda *_: (recorded, []))
    runs.run_dag(settings, Services({}, None, None), "enrollment", DAY, {})
    assert ("a newer version of its sources exists" in capsys.readouterr().err) is is_said
