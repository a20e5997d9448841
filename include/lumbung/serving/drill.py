"""The rows behind a number of the report page: those of a city, a category or a mentor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from lumbung.core.errors import UnknownError
from lumbung.serving.schema import Result

if TYPE_CHECKING:
    from lumbung.storage.warehouse import Warehouse

ROWS_OF_PAGE = 50
ROWS_AT_MOST = 100_000


@dataclass(frozen=True)
class Drill:
    """What of a system can be looked at row by row.

    Attributes:
        address: the table, `<dataset>.<table>`.
        columns: those that are shown, in this order; they also order the rows.
        by: the columns by whose value rows are found; texts.
        personal: those of `columns` that name people; without them alike rows are one, with their number.
        counted: what that number is called.
    """

    address: str
    columns: Sequence[str]
    by: Sequence[str]
    personal: Sequence[str] = ()
    counted: str = "row_count"


class Drilled(Protocol):
    """A system, as `rows` needs to know it."""

    name: str

    def drill(self) -> Drill | None:
        """What of it can be looked at row by row; None: nothing."""
        ...


@dataclass(frozen=True)
class DrillRows(Result):
    """A page of rows.

    Attributes:
        columns: their columns.
        total: how many rows there are in all pages.
        limit: how many rows a page has.
        rows: the cells of each row, in the order of the columns.
    """

    columns: list[str]
    total: int
    limit: int
    rows: list[list[Any]]


def drill_by(system: Drilled, by: str) -> Drill:
    """What of a system can be looked at row by row, by a column; it imports nothing that reads a warehouse.

    Raises:
        UnknownError: nothing can, or not by this column.
    """
    drill = system.drill()
    if drill is None or by not in drill.by:
        raise UnknownError(
            f"no rows by {by!r}",
            where=system.name,
            remedy=f"ask by {', '.join(drill.by)}" if drill else "ask another system: this one shows no single rows",
        )
    return drill


def rows(
    warehouse: Warehouse,
    system: Drilled,
    by: str,
    value: str,
    limit: int = ROWS_OF_PAGE,
    offset: int = 0,
    *,
    raw: bool,
) -> DrillRows:
    """The rows of a system's table whose column has a value, a page of them.

    Args:
        warehouse: where the table is published.
        system: the system.
        by: the column; one of those that the system gives.
        value: its value; "" finds rows where it is null or blank.
        limit: how many rows at most; 100,000 are the most that are given.
        offset: the first row, from 0.
        raw: whether the reader may see rows that name people; others see how many there are.

    Raises:
        UnknownError: the system has no such rows.
        LumbungError: nothing is published yet.
    """
    from lumbung.serving import published

    drill = drill_by(system, by)
    limit = max(0, min(limit, ROWS_AT_MOST))
    shown = [column for column in drill.columns if raw or column not in drill.personal]
    columns = ", ".join(shown)
    is_counted = len(shown) < len(drill.columns)
    count, group = (f", COUNT(*) AS {drill.counted}", f" GROUP BY {columns}") if is_counted else ("", "")
    records = published.rows(
        warehouse,
        f"SELECT {columns}{count}, COUNT(*) OVER () AS row_total FROM {{0}}"
        f" WHERE IF(REGEXP_CONTAINS({by}, r'\\S'), {by}, '') = @value{group}"
        f" ORDER BY {columns} LIMIT @limit OFFSET @offset",
        drill.address,
        parameters={"value": value if value.strip() else "", "limit": limit, "offset": max(0, offset)},
    )
    shown += [drill.counted] if is_counted else []
    return DrillRows(
        columns=shown,
        total=records[0]["row_total"] if records else 0,
        limit=limit,
        rows=[[record[column] for column in shown] for record in records],
    )
