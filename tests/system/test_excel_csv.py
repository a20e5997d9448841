"""The CSV file of an Indonesian Excel, taken by keys of the contract: from the file to staging."""

from support.pipeline import edited

DAY = "2026-11-12"
KEYS = """
  delimiter: ";"
  encoding: cp1252
  skip_rows: 1
"""
COLUMNS = {"id": 'from: "Kode"', "first_name": r'from: "Nama\nDepan"', "last_name": 'from: "Nilai", decimal: ","'}
EXPORT = 'Daftar Mentor;;\r\nKode;"Nama\nDepan";Nilai\r\nm1;André;1.234,5\r\nm2;"Ika; ""Ayu""";\r\nm3;Budi;7.5\r\n'


def contract(text: str) -> str:
    text = text.replace("  path: mentor.csv\n", f"  path: mentor.csv{KEYS}")
    for name, keys in COLUMNS.items():
        text = text.replace(f"name: {name},", f"name: {name}, {keys},")
    return text


def test_it_is_loaded_with_its_numbers_and_its_rejects(make_harness, small_catalog, tmp_path):
    harness = make_harness()
    harness.catalog = edited(small_catalog, tmp_path, "mentor", contract)
    harness.file("mentor.csv", EXPORT.encode("cp1252"))
    harness.take(DAY)
    rows = harness.rows("SELECT id, first_name, last_name FROM {staging.mentor} ORDER BY id")
    assert [tuple(row.values()) for row in rows] == [("m1", "André", "1234.5"), ("m2", 'Ika; "Ayu"', None)]
    (reject,) = harness.rows("SELECT line, raw, reason FROM {staging.rejected_row}")
    reason = "column last_name: '7.5' is not a number with the decimal mark ','"
    assert tuple(reject.values()) == (6, "m3;Budi;7.5", reason)
