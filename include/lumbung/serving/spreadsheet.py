"""CSV that people open in a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

MARK = "\ufeff"  # by which Excel knows UTF-8
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Rows as CSV. A text that a spreadsheet would take for a formula gets an apostrophe before it.

    As https://owasp.org/www-community/attacks/CSV_Injection advises; `page.js` does the same.

    Args:
        columns: the names in the first line.
        rows: the cells of each row.
    """
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    for row in (columns, *rows):
        writer.writerow([f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell for cell in row])
    return MARK + file.getvalue()
