#!/usr/bin/env bash
# openpyxl reads two values from one cell: what a merged area covers is empty in its usual mode, and not in read-only.
#
# Expected: `read_only=True` changes how much memory a sheet takes, not what is in it. What happens: LibreOffice keeps
# what stood in the covered cells of a merged area, if one chooses so, and writes it to the file, where nobody sees it.
# The usual mode empties covered cells, as Excel does; the read-only mode gives the unseen text. The areas stand behind
# the rows in the file, so a reader that streams learns of them too late. python-calamine gives the text as well.
# Why it matters: a report that is read in a stream has values that no one who opens the sheet can see or correct.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check openpyxl==3.1.5 xlsxwriter==3.2.9 python-calamine==0.9.1
cat >finding.py <<'PYTHON'
import sys
import openpyxl, python_calamine, xlsxwriter

with xlsxwriter.Workbook("merged.xlsx") as workbook:  # as LibreOffice writes it
    sheet = workbook.add_worksheet()
    sheet.merge_range("A1:B1", "shown")
    sheet.write("B1", "covered")

print(f"openpyxl {openpyxl.__version__}, python-calamine 0.9.1")
read = {
    "openpyxl": openpyxl.load_workbook("merged.xlsx").active["B1"].value,
    "openpyxl read_only": openpyxl.load_workbook("merged.xlsx", read_only=True).active["B1"].value,
    "python-calamine": python_calamine.load_workbook("merged.xlsx").get_sheet_by_index(0).to_python()[0][1],
}
for reader, value in read.items():
    print(f"{reader:20}B1 = {value!r}")
sys.exit(list(read.values()) != [None, "covered", "covered"])
PYTHON
venv/bin/python finding.py || { echo "changed"; exit 1; }
