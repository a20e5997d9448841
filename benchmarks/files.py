"""The source files as DuckDB reads them, for what Lumbung is measured against."""

from __future__ import annotations

from pathlib import Path

TABLE = "course_enrollment"
JSON = {
    "student": ("id", "first_name", "last_name", "street_address", "country", "city", "phone_number"),
    "course": ("id", "title", "mentor_id", "course_category_id"),
}
CSV = ("mentor", "course_category")


def files(source: Path) -> dict[str, str]:
    """What DuckDB reads each file with, all columns as text, by the table's name.

    The columns of JSON are named: else DuckDB takes ids for UUIDs and gives them back in lower case, and no join finds
    them.
    """
    read = {}
    for name, columns in JSON.items():
        types = ", ".join(f"{column}: 'VARCHAR'" for column in columns)
        read[name] = f"read_json('{source}/{name}.json', columns = {{{types}}}, hive_partitioning = false)"
    for name in CSV:
        read[name] = f"read_csv('{source}/{name}.csv', all_varchar = true, hive_partitioning = false)"
    return read
