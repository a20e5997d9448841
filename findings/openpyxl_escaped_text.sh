#!/usr/bin/env bash
# openpyxl gives a carriage return in a cell as the seven characters _x000D_, and a typed _x000D_ as the same.
#
# Expected: text comes back as it was written. What happens: workbooks escape what XML cannot hold as _xHHHH_, and a typed
# text of that form by escaping its underscore, _x005F_ (ECMA-376, part 1, 22.9.2.19, ST_Xstring). openpyxl leaves the
# first as it is and strips x005F_ from the second, so both are "_x000D_", and no later step can tell them apart.
# python-calamine undoes both. pandas.read_excel reads through openpyxl by default.
# Why it matters: addresses and notes pasted into Excel on Windows have carriage returns; the loaded text has _x000D_.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check openpyxl==3.1.5 xlsxwriter==3.2.9 python-calamine==0.9.1
cat >finding.py <<'PYTHON'
import sys
import openpyxl, python_calamine, xlsxwriter

texts = ["Jl. Asia 1\r\nBandung", "Jl. Asia 1_x000D_\nBandung"]
with xlsxwriter.Workbook("text.xlsx") as workbook:
    workbook.add_worksheet().write_column(0, 0, texts)

print(f"openpyxl {openpyxl.__version__}, python-calamine 0.9.1")
by_openpyxl = [cell.value for cell in openpyxl.load_workbook("text.xlsx").active["A"]]
by_calamine = [row[0] for row in python_calamine.load_workbook("text.xlsx").get_sheet_by_index(0).to_python()]
for text, one, other in zip(texts, by_openpyxl, by_calamine):
    print(f"written {text!r:32}openpyxl {one!r:32}calamine {other!r}")
sys.exit(by_openpyxl != [texts[1], texts[1]] or by_calamine != texts)
PYTHON
venv/bin/python finding.py || { echo "changed"; exit 1; }
