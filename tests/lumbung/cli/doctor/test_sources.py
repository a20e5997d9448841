"""What the doctor finds of source files."""

import pytest

from lumbung.cli.doctor.sources import files
from lumbung.core.settings import Settings
from lumbung.systems.pinter_skuy.generate import generate
from support.sources import write_headers


@pytest.fixture
def folder(tmp_path):
    generate(tmp_path, enrollments=10)
    write_headers(tmp_path / "contracts", "contract_events")
    return tmp_path


def find(**fields):
    """The findings by name."""
    return {finding.name: finding for finding in files(Settings.of(**fields))}


def bad(findings):
    return {finding.name for finding in findings.values() if not finding.ok}


def test_source_files_are_read_as_the_pipeline_does(folder):
    def found():
        return find(data_source=folder, contract_events_source=folder / "contracts")

    name = "source campus.xlsx!Cabang"
    assert found()[name].found.endswith(" bytes)")
    (folder / "campus.xlsx").write_bytes(b"branch_code;city\n")
    (folder / "mentor.csv").write_text("id;first_name;last_name\n1;Ann;Bali\n")
    findings = found()
    assert bad(findings) == {name, "source mentor.csv"}
    assert "text, such as CSV" in findings[name].found
    assert "save it as an Excel workbook" in findings[name].remedy
    assert findings["source mentor.csv"].remedy == 'write delimiter: ";" in source: of staging/mentor.yaml'
    (folder / "campus.xlsx").unlink()
    finding = found()[name]
    assert (finding.ok, finding.found) == (True, f"{folder / 'campus.xlsx'} is missing, which its contract allows")


def test_files_are_looked_for_in_the_folder_that_their_system_reads(folder, tmp_path):
    nothing = tmp_path / "nothing"
    contracts = {"source accounts.csv", "source parties.csv", "source party_address.csv"}
    assert bad(find(data_source=folder, contract_events_source=nothing)) == contracts
    findings = find(data_source=nothing, contract_events_source=folder / "contracts")
    assert contracts.isdisjoint(bad(findings))
    assert findings["source accounts.csv"].found.startswith(f"{folder / 'contracts' / 'accounts.csv'} (")
