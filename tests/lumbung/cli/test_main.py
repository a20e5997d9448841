"""The command line as a whole."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from lumbung.core.settings import ROOT


def test_the_script_of_a_copied_checkout_is_refused(tmp_path: Path) -> None:
    """It would start the original's code, and so read and write the original's home."""
    original, copied = Path(sys.prefix), tmp_path / ".venv"
    (copied / "bin").mkdir(parents=True)
    for name in ("pyvenv.cfg", "bin/lumbung"):
        shutil.copy(original / name, copied / name)
    done = subprocess.run([copied / "bin/lumbung", "check"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert " ".join(done.stderr.split()) == (
        f"{copied}: this environment was copied from {original}, whose code it starts."
        " Run make install in the copied checkout."
    )


def test_the_budget_outside_of_a_checkout_is_one_sentence(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "include/lumbung", tmp_path / "include/lumbung")
    done = subprocess.run(
        [sys.executable, "-m", "lumbung", "budget"],
        env={**os.environ, "PYTHONPATH": str(tmp_path / "include")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert " ".join(done.stderr.split()) == (
        f"{tmp_path}/tools: the budget's figures are in a checkout, not in what is installed here."
        " Run lumbung budget in a checkout."
    )


def test_a_query_that_is_refused_says_so_in_the_words_of_google(bigquery_server: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lumbung", "query", "SELECT nam FROM UNNEST([STRUCT('Ani' AS name)])"],
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("LUMBUNG_")},
            "LUMBUNG_HOME": str(tmp_path),
            "BIGQUERY_EMULATOR_HOST": bigquery_server,
            "PYTHONPATH": str(ROOT / "include"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert " ".join(done.stderr.split()) == "query: Unrecognized name: nam at [1:8]. Fix the query or the data."


def test_the_catalogue_is_written_without_a_warehouse(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lumbung", "docs", "--out", str(tmp_path / "site"), "--no-warehouse"],
        env={**os.environ, "LUMBUNG_HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT / "include")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith(f"Catalogue: {tmp_path}/site/index.html, ")
    assert done.stderr == "Without figures of the warehouse: no warehouse was asked\n"
    assert (tmp_path / "site/odcs/dwh.dim_student.odcs.yaml").exists()
    assert not (tmp_path / "home").exists()
