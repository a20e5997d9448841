"""`lumbung new` refuses what cannot be made, and chooses what a table reads; `lumbung check` ends with 1 on a fault."""

import shutil
import time
from pathlib import Path
from typing import get_args

import pytest
from typer.testing import CliRunner

from lumbung.catalog import check as checks
from lumbung.catalog.analysis import UnjudgedError
from lumbung.catalog.contract import Catalog, Kind
from lumbung.cli.main import app
from lumbung.cli.new import source, system, table
from lumbung.cli.new.files import write
from lumbung.core.errors import LumbungError
from lumbung.systems.registry import all_systems

CONTRACTS = Catalog().contracts
FAULT = LumbungError("a fault", where="dwh/x.sql", remedy="fix it")


def run(*arguments):
    return CliRunner().invoke(app, arguments)


@pytest.mark.parametrize(
    ("address", "chosen", "read"),
    [
        ("dwh.dim_student_name", None, "staging.student"),
        ("datamart.student_count_by_country", None, "dwh.dim_student"),
        ("dwh.fact_tweet_author", None, "staging.tweet"),
        ("dwh.dim_city", "dwh.dim_student", "dwh.dim_student"),
    ],
)
def test_a_table_reads_the_one_that_is_chosen_or_has_the_most_similar_name(address, chosen, read):
    assert table.origin_of(address, chosen, CONTRACTS).address == read


@pytest.mark.parametrize(
    ("address", "chosen", "message"),
    [
        ("staging.x", None, "lumbung new source"),
        ("x", None, "is not an address"),
        ("dwh.", None, "'' is not a name"),
        ("dwh.Dim", None, "'Dim' is not a name"),
        ("dwh.../x", None, "is not a name"),
        (
            "datamart.x",
            "staging.student",
            "a datamart query cannot read staging.student. Choose one of dwh.",
        ),
        ("dwh.x", "staging.rejected_row", "cannot read staging.rejected_row"),
        ("dwh.x", "dwh.nowhere", "cannot read dwh.nowhere"),
        ("datamart.x", "dwh.fact_enrollment_daily", "cannot read dwh.fact_enrollment_daily"),
    ],
)
def test_what_a_query_cannot_make_or_read_is_refused(address, chosen, message):
    with pytest.raises(LumbungError) as refusal:
        table.origin_of(address, chosen, CONTRACTS)
    assert message in str(refusal.value)


def test_a_table_can_read_any_table_of_the_layers_below(tmp_path):
    root = Path(table.SQL_ROOT).parents[1]
    shutil.copytree(table.SQL_ROOT, tmp_path / "include" / "sql")
    made = 0
    for contract in CONTRACTS.values():
        is_readable = contract.dataset == "staging" or (contract.dataset == "dwh" and not contract.is_daily)
        if is_readable and contract.table != "rejected_row":
            files = table.files(f"dwh.new_{contract.table}", contract)
            write({tmp_path / path.relative_to(root): text for path, text in files.items()})
            made += 1
    assert made > 10
    systems = [system.name for system in all_systems()]
    faults = checks.faults(systems, tmp_path / "include" / "sql", tmp_path / "tests" / "sql")
    assert [fault for fault in faults if "/new_" in fault.where] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("source", "cilvest.x", "--kind", "csv"), "are not taken as snapshots"),
        (("source", "nobody.x", "--kind", "csv"), "there is no system with name nobody"),
        (("source", "pinter_skuy", "--kind", "csv"), "'' is not a name"),
    ],
)
def test_a_source_needs_a_system_that_takes_snapshots(arguments, message):
    assert message in str(run("new", *arguments).exception)


def test_a_source_has_the_columns_of_its_sample(tmp_path):
    for kind in get_args(Kind):
        contract, sample = source.files("pinter_skuy", "voucher", kind, tmp_path)
        assert (contract.name, sample.name) == ("voucher.yaml", f"voucher.{'csv' if kind == 'postgres' else kind}")


@pytest.mark.parametrize("name", ["pinter_skuy", "tweets", "registry", "lumbung", "class", "Toko", "a-b", "x" * 41])
def test_a_system_needs_a_name_of_its_own(name, tmp_path):
    with pytest.raises(LumbungError, match=r"is taken|is not a name"):
        system.files(name, all_systems(), tmp_path)


def test_one_file_that_exists_keeps_all_from_being_written(tmp_path):
    (tmp_path / "b").write_text("mine")
    with pytest.raises(LumbungError, match=r"there already is .*/b\. Nothing was written"):
        write({tmp_path / "a": "new", tmp_path / "b": "new"})
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"b": "mine"}


def test_check_prints_every_fault_and_ends_with_1(monkeypatch):
    monkeypatch.setattr(checks, "faults", lambda systems: [FAULT, FAULT])
    failed = run("check")
    assert (failed.exit_code, failed.stderr) == (1, "dwh/x.sql: a fault. Fix it.\n" * 2 + "2 faults\n")
    elsewhere = run("check", "dwh.dim_student")
    assert (elsewhere.exit_code, elsewhere.stdout) == (0, "dwh.dim_student: no fault\n")
    assert elsewhere.stderr == "2 faults of other tables: lumbung check\n"


def test_check_says_what_is_not_judged_and_counts_no_fault(monkeypatch):
    note = UnjudgedError("not judged: Function not found: SEARCH", where="x.sql, line 1", remedy="try it on BigQuery")
    monkeypatch.setattr(checks, "faults", lambda systems: [note])
    done = run("check")
    assert (done.exit_code, done.stdout) == (0, "All tables: no fault\n")
    assert " ".join(done.stderr.split()) == f"{note}"


def test_check_of_everything_is_quick_and_of_an_unknown_table_refused():
    started = time.process_time()
    assert run("check").exit_code == 0
    assert time.process_time() - started < 3
    assert "no table dwh.nowhere" in str(run("check", "dwh.nowhere").exception)


def test_schema_prints_what_is_checked_in():
    assert run("schema").stdout == (table.SQL_ROOT / "contract.schema.json").read_text()
