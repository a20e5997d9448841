from pathlib import Path

from support.bigquery_process import run_inside

KEEPS = """
from bigquery import kept_analyses
from bigquery.kept_analyses import KeptAnalyses
kept_analyses.KEPT = 3
path = server.settings.data_dir / "analyses.sqlite"
first = KeptAnalyses()
first.put(["a"], "tables", "SELECT 1")
print(KeptAnalyses().get("tables", "SELECT 1"), first.get("tables", "SELECT 2"), first.get("columns", "SELECT 1"))
for number in range(3):
    first.put([number], "tables", f"SELECT {number} AS x")
print(first.get("tables", "SELECT 1"), first.get("tables", "SELECT 2 AS x"))
path.write_bytes(b"broken" * 1000)
broken = KeptAnalyses()
print(broken.get("tables", "SELECT 2 AS x"))
broken.put([], "tables", "SELECT 2 AS x")
print(KeptAnalyses().get("tables", "SELECT 2 AS x"))
content = bytearray(path.read_bytes())
content[4096:] = bytes(len(content) - 4096)
path.write_bytes(content)
spoiled = KeptAnalyses()
print(spoiled.get("tables", "SELECT 2 AS x"))
spoiled.put([], "tables", "SELECT 2 AS x")
print(KeptAnalyses().get("tables", "SELECT 2 AS x"))
spoiled._engine = "another version"
print(spoiled.get("tables", "SELECT 2 AS x"))
"""


def test_answers_are_kept_between_starts_but_not_for_ever_nor_for_another_engine(tmp_path: Path) -> None:
    assert run_inside(KEEPS, tmp_path).splitlines() == [
        "['a'] None None",
        "None [2]",
        "None",
        "[]",
        "None",
        "[]",
        "None",
    ]
