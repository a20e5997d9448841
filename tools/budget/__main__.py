"""`make budget`: write the budget's pages."""

from pathlib import Path

from budget import model, report

DOCS = Path(__file__).parents[2] / "docs" / "reference"

if __name__ == "__main__":
    for name, page in report.pages(model.load()).items():
        (DOCS / name).write_text(page, encoding="utf-8")
