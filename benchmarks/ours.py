"""Lumbung's own extract of `course_enrollment`, as a program: `python -m benchmarks.ours DSN FOLDER`."""

import sys
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.span import report
from lumbung.catalog.contract import Catalog
from lumbung.core import day
from lumbung.pipeline.extract import extract
from lumbung.storage.lake import FolderLake


def main(dsn: str, folder: Path) -> None:
    """Take the table into a lake in the folder."""
    contract, lake = Catalog()["staging.course_enrollment"], FolderLake(folder.as_uri(), folder)

    def take() -> int:
        now = datetime.now(UTC)
        taken, _ = extract(
            contract, day.today(), lake=lake, data_source=folder, dsn=dsn, run_id="benchmark", started_at=now
        )
        return taken.rows_kept

    report(take)


main(sys.argv[1], Path(sys.argv[2]))
