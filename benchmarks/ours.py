"""Lumbung's own extract of `course_enrollment`, as a program: `python ours.py DSN FOLDER`."""

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from lumbung.catalog.contract import Catalog
from lumbung.core import day
from lumbung.pipeline.extract import extract
from lumbung.storage.lake import FolderLake


def main(dsn: str, folder: Path) -> None:
    """Take the table into a lake in the folder."""
    contract, lake = Catalog()["staging.course_enrollment"], FolderLake(folder.as_uri(), folder)
    began = time.perf_counter()
    taken, _ = extract(contract, day.today(), lake=lake, data_source=folder, dsn=dsn, started_at=datetime.now(UTC))
    print(json.dumps({"seconds": time.perf_counter() - began, "rows": taken.rows_kept}))


main(sys.argv[1], Path(sys.argv[2]))
