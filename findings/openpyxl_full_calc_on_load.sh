#!/usr/bin/env bash
# openpyxl says of every workbook that it asks to be calculated when it is opened.
#
# Expected: `workbook.calculation.fullCalcOnLoad` is what the file's `calcPr` says; where the attribute is missing, it is
# false, the default of the format (ECMA-376, part 1, 18.2.2). What happens: openpyxl makes its object with its own
# default for new workbooks, which is true, so a workbook of LibreOffice or Excel, whose values are calculated, looks as
# one that was never calculated. Saved again, it then does say so.
# Why it matters: the flag is the only mark by which a reader can tell stored values of formulas from placeholders
# (XlsxWriter and Apache POI store 0 where nothing was calculated, and set it). Read through openpyxl it marks all files.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check openpyxl==3.1.5 xlsxwriter==3.2.9
cat >finding.py <<'PYTHON'
import re, sys, zipfile
import openpyxl, xlsxwriter

with xlsxwriter.Workbook("asks.xlsx") as workbook:
    workbook.add_worksheet().write_formula("A1", "=1+1", None, 2)
with zipfile.ZipFile("asks.xlsx") as given, zipfile.ZipFile("does not ask.xlsx", "w") as made:
    for name in given.namelist():
        part = given.read(name)
        made.writestr(name, part.replace(b' fullCalcOnLoad="1"', b"") if name == "xl/workbook.xml" else part)

print(f"openpyxl {openpyxl.__version__}")
said = {}
for name in ("asks.xlsx", "does not ask.xlsx"):
    calculation = re.search(rb"<calcPr[^>]*>", zipfile.ZipFile(name).read("xl/workbook.xml"))[0].decode()
    said[name] = openpyxl.load_workbook(name, read_only=True).calculation.fullCalcOnLoad
    print(f"{name:20}{calculation:50}openpyxl: {said[name]}")
sys.exit(said != {"asks.xlsx": True, "does not ask.xlsx": True})
PYTHON
venv/bin/python finding.py || { echo "changed"; exit 1; }
