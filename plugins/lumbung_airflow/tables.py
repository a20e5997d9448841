"""Tables as Airflow's assets: what tasks read and write, and what is said of a table that is new."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, BaseOperator, Context, get_parsing_context

if TYPE_CHECKING:
    from lumbung.core.settings import Settings


def assets(settings: Settings, addresses: Iterable[str]) -> list[Asset]:
    """The tables, named by their addresses, in the groups of their data sets.

    Args:
        settings: in a real project a table's URI is that of BigQuery.
        addresses: as in `dwh.dim_student`.
    """
    made = []
    for address in addresses:
        dataset, _, table = address.partition(".")
        asset = Asset(address, group=dataset)
        if settings.project:
            uri = f"bigquery://{settings.project}/{settings.dataset_prefix}{dataset}/{table}"
            # Not as an argument: to look at it, Airflow would import all providers, a third of a second in every task.
            object.__setattr__(asset, "uri", uri)
        made.append(asset)
    return made


def declare(task: BaseOperator, *, inlets: Iterable[Asset] = (), outlets: Iterable[Asset] = ()) -> None:
    """Say what a task reads and writes, for Airflow's pages only.

    Where the DAG file is read to run a task, nothing is said: Airflow would ask its API about the tables, and tell
    everybody that they are new.

    Args:
        task: the task.
        inlets: tables that it reads.
        outlets: tables that it makes and others publish.
    """
    if get_parsing_context().task_id is None:
        task.inlets, task.outlets = [*task.inlets, *inlets], [*task.outlets, *outlets]


def tell(context: Context, outlets: Iterable[Any], rows: dict[str, int | None], **extra: Any) -> None:
    """Say in the events of a task's tables how many rows they have.

    Args:
        context: the task's.
        outlets: its tables.
        rows: by the tables' addresses.
        extra: what else is said of each.
    """
    for asset in outlets:
        if isinstance(asset, Asset) and asset.name in rows:
            context["outlet_events"][asset].extra = {"rows": rows[asset.name], **extra}
