"""How load jobs read files: as they are named, and no more columns than they hold.

Left to itself, DuckDB takes a path for a pattern, and each folder `key=value` in it for a column, which replaces the
file's own of that name. Uploads lie in the data folder, which may be anywhere.
"""

import glob
from typing import Any

from local_bigquery.jobs import load

from bigquery import originals


def run(cursor: Any, config: Any, upload: str | None) -> Any:
    """Run a load job. In place of `load.run`.

    Args:
        cursor: the job's cursor.
        config: the job's configuration.
        upload: the file that was uploaded with the job; None where it names addresses.
    """
    return load.run(cursor, config, upload and glob.escape(upload))


def hive_options(config: Any) -> Any:
    """Return DuckDB's options for columns out of paths: none, unless the job asks. In place of `load._hive`."""
    return {"hive_partitioning": "false", **originals.hive_options(config)}
