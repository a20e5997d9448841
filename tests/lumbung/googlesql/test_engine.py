import importlib
import os
import subprocess
import sys
import threading

import pytest

from lumbung.googlesql.analyzer import Catalogue
from lumbung.googlesql.engine import Engine, shared
from lumbung.googlesql.errors import GoogleSqlError, MissingEngineError
from lumbung.local.bigquery import PYTHON, PYTHONPATH

ANALYSE = """
import sys
from lumbung.googlesql.analyzer import Catalogue
with Catalogue({}) as catalogue:
    print(catalogue.analyse("SELECT 1 AS one").columns, "lumbung.core.errors" in sys.modules)
"""


@pytest.mark.parametrize("python", [sys.executable, str(PYTHON)], ids=["lumbung", "server"])
def test_it_starts_in_both_environments_and_imports_nothing_of_the_project(python):
    environ = {**os.environ, "PYTHONPATH": PYTHONPATH}
    done = subprocess.run([python, "-P", "-c", ANALYSE], env=environ, check=True, capture_output=True, text=True)
    assert done.stdout == "(('one', 'INT64'),) False\n"


@pytest.mark.parametrize("error", [ImportError("No module named 'zetasql'"), RuntimeError("unsupported architecture")])
def test_a_machine_without_it_is_told_so(monkeypatch, error):
    def missing(name):
        raise error

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(MissingEngineError, match=str(error)):
        Engine()


def test_there_is_one_engine_and_threads_take_turns():
    assert shared() is shared()
    results = []

    def work(number):
        with Catalogue({"t": [("a", "INT64")]}, {"t": [{"a": number}] * 50}) as catalogue:
            results.extend(
                catalogue.evaluate("SELECT SUM(a) AS total FROM t")[1][0][0] == 50 * number for _ in range(5)
            )

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 30


def test_it_goes_on_after_a_refusal_and_with_more_than_its_memory_has_room_for():
    with Catalogue({"t": [("a", "STRING")]}, {"t": [{"a": "é" * 1_000_000}] * 20}) as catalogue:
        with pytest.raises(GoogleSqlError):
            catalogue.evaluate("SELECT b FROM t")
        assert catalogue.evaluate("SELECT SUM(LENGTH(a)) AS length FROM t")[1] == [(20_000_000,)]


def test_an_installation_without_it_is_told_so_and_goes_on(tmp_path):
    (tmp_path / "zetasql.py").write_text("raise ImportError('no zetasql here')\n")
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path), PYTHONPATH))}
    command = [sys.executable, "-P", "-m", "lumbung.googlesql"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    assert "(no zetasql here): SQL is not checked by it" in done.stdout
