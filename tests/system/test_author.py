"""A system, its sources and its tables made by `lumbung new`, in a copy of the checkout: checked, built and tried."""

import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from lumbung.core.day import today

ROOT = Path(__file__).resolve().parents[2]
# Not today, which in Jakarta may begin after Airflow's logical date.
DAY = f"{today() - timedelta(days=1)}"
PARTS = ("dags", "include", "plugins", "services", "tests", "tools", "data-source", "pyproject.toml", ".sqlfluff")
NEW = (
    ("system", "toko_buku"),
    ("source", "toko_buku.voucher", "--kind", "json"),
    ("source", "toko_buku.visit", "--kind", "csv"),
    ("source", "toko_buku.branch", "--kind", "xlsx"),
    ("source", "toko_buku.order_line", "--kind", "postgres"),
    ("table", "dwh.dim_voucher"),
    ("table", "dwh.fact_order_line", "--from", "staging.order_line"),
    ("table", "datamart.order_line_by_name", "--from", "dwh.fact_order_line"),
    ("table", "datamart.voucher_count"),
    # What the tables of the other systems are like: by the days that changed, by day, with required texts only.
    ("table", "dwh.fact_cuitan", "--from", "staging.tweet"),
    ("table", "datamart.author_count", "--from", "dwh.fact_tweet"),
    ("table", "datamart.category_count", "--from", "dwh.dim_category"),
    ("table", "datamart.course_count", "--from", "dwh.fact_course_enrollment"),
)
TABLES = ("dim_toko_buku_item", *(address.partition(".")[2] for kind, address, *_ in NEW if kind == "table"))


def files(folder: Path) -> dict[Path, bytes]:
    return {
        path: path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and "cache" not in path.parts[-2]
    }


@pytest.fixture(scope="module")
def home(make_home: Callable[..., "Home"], tmp_path_factory: pytest.TempPathFactory):  # noqa: F821
    """A home on a copy of the checkout to which one of each was added."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in PARTS:
        subprocess.run(["cp", "-r", ROOT / name, copy / name], check=True)
    (copy / ".venv-bigquery").symlink_to(ROOT / ".venv-bigquery")
    home = make_home(root=copy)
    for arguments in NEW:
        home.run("new", *arguments)
    return home


def tool(home: "Home", *command: str | Path) -> None:  # noqa: F821
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=home.root, env=home.env(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}: {done.stdout[-3000:]}{done.stderr[-3000:]}"


def test_what_is_written_passes_the_checks(home) -> None:
    assert home.run("check") == "All tables: no fault\n"
    tool(home, "ruff", "check", "dags", "include")
    tool(home, "ruff", "format", "--check", "dags", "include")
    tool(home, "sqlfluff", "lint", "--disable-progress-bar", "include/sql")
    tool(home, "mypy", "include/lumbung/systems/toko_buku")


def test_nothing_is_replaced(home) -> None:
    before = files(home.root) | files(home.data)
    for arguments in NEW:
        refused = home.call("new", *arguments)
        assert refused.returncode == 1, arguments
        assert "Traceback" not in refused.stderr
        assert len(refused.stderr.strip().splitlines()) == 1
    (home.root / "include" / "sql" / "dwh" / "dim_visit.sql").write_text("SELECT 1 AS mine")
    assert "dim_visit.sql" in home.call("new", "table", "dwh.dim_visit").stderr
    (home.root / "include" / "sql" / "dwh" / "dim_visit.sql").unlink()
    assert files(home.root) | files(home.data) == before


def test_the_system_runs_and_its_tables_are_built(home) -> None:
    home.run("airflow", "dags", "test", "toko_buku", DAY)
    items = [{"id": "a1", "name": "Satu"}, {"id": "a2", "name": "Dua"}, {"id": "a3", "name": "Tiga"}]
    with home.warehouse():
        for table in ("dim_toko_buku_item", "dim_voucher", "fact_order_line"):
            assert home.query(f"SELECT * FROM dwh.{table} ORDER BY id") == items, table
        counts = [{"name": name, "row_count": 1} for name in ("Dua", "Satu", "Tiga")]
        for table in ("voucher_count", "order_line_by_name"):
            assert home.query(f"SELECT * FROM datamart.{table} ORDER BY name") == counts, table
        for table in ("visit", "branch"):
            assert home.query(f"SELECT id, name FROM staging.{table} ORDER BY id") == items, table
        (fresh,) = home.query("SELECT system, published_day FROM datamart.freshness")
    assert fresh == {"system": "toko_buku", "published_day": DAY}
    page = Path(home.run("report").rpartition("Report: ")[2].strip()).read_text(encoding="utf-8")
    assert "Toko Buku report" in page
    assert '<p class="answer">3 rows.</p>' in page
    assert "All 15 source rows were loaded, none rejected" in page


def test_the_test_cases_pass_on_a_real_server(home) -> None:
    tool(home, "pytest", "-q", "tests/sql", "-k", " or ".join(TABLES))
