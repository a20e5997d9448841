"""The contract that `lumbung new source` writes from a CSV file that is there."""

import pytest

from lumbung.catalog.contract import parse
from lumbung.cli.new import table
from lumbung.cli.new.source import contract_path, files
from lumbung.sources import read

EXPORT = (
    "Daftar Harga;;;\r\n"
    'No;"Nama\nCabang";Harga (Rp);2026\r\n'
    "001;Café Senen;1.250.000,50;\r\n"
    '002;"Toko ""A"";B";-7,5;x\r\n'
    "003;Sri;;y\r\n"
)


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8", "utf-16", "utf-8-sig"])
def test_the_contract_that_new_source_writes_reads_the_file(tmp_path, encoding):
    (tmp_path / "price.csv").write_bytes(EXPORT.encode(encoding))
    written = files("pinter_skuy", "price", "csv", tmp_path)
    contract = parse(contract_path("price"), written.pop(contract_path("price")))
    assert not written
    assert contract.key == ["column_no"]  # NO is a word of GoogleSQL
    reader = table.files("dwh.dim_price", contract)
    text = next(text for path, text in reader.items() if path.suffix == ".yaml")
    assert "from:" not in text
    assert "decimal:" not in text
    (batch,) = read(contract, data_source=tmp_path, dsn=None)
    assert batch.rejects == []
    assert batch.rows.to_pydict() == {
        "column_no": ["001", "002", "003"],
        "nama_cabang": ["Café Senen", 'Toko "A";B', "Sri"],
        "harga_rp": ["1250000.50", "-7.5", None],
        "column_2026": [None, "x", "y"],
    }


def test_names_of_columns_are_names_and_each_is_there_once(tmp_path):
    (tmp_path / "price.csv").write_bytes('Nama,nama,NAMA 2,"Ä, ""x""",日本,yes,snapshot_date\n'.encode())
    written = files("pinter_skuy", "price", "csv", tmp_path)
    contract = parse(contract_path("price"), written[contract_path("price")])
    names = ["nama", "nama_2", "nama_2_2", "a_x", "column", "yes", "snapshot_date_2"]
    assert [column.name for column in contract.business_columns] == names
