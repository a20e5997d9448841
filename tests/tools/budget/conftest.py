"""A copy of the budget with a figure changed."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from budget.model import FOLDER

ChangedFigures = Callable[[str, str, str], Path]


@pytest.fixture
def changed_figures(tmp_path: Path) -> ChangedFigures:
    """Copy the budget's folder with `old` replaced by `new` in a file; the copy's path."""

    def change(file: str, old: str, new: str) -> Path:
        folder = tmp_path / f"budget-{len(list(tmp_path.iterdir()))}"
        shutil.copytree(FOLDER, folder)
        text = (folder / file).read_text()
        assert old in text
        (folder / file).write_text(text.replace(old, new, 1))
        return folder

    return change


@pytest.fixture(scope="session")
def reported() -> dict[str, str]:
    """The lines of the report in rupiah, as it prints them."""
    return {
        "Virtual Machine Compute Engine": "384473.67",
        "Virtual Machine Dataproc (master)": "3160.06",
        "Virtual Machine Dataproc (worker)": "9480.17",
        "Cloud Storage": "805.91",
        "BigQuery": "0.00",
        "Dataproc": "3772.56",
        "Persistent Disk Compute Engine": "15719.00",
        "Persistent Disk Dataproc": "103.12",
    }
