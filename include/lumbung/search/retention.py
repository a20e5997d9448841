"""Retention: months and mapping versions go as whole indices, at once."""

from __future__ import annotations

from lumbung.core.errors import LumbungError
from lumbung.search.cluster import Cluster
from lumbung.search.index import Month, months


def prune(cluster: Cluster, *, keep: int, dry_run: bool = False) -> list[str]:
    """Keep the newest months that have an index; delete the older ones, of every mapping version.

    A day of a deleted month that is indexed again brings its month back.

    Args:
        cluster: the server.
        keep: months to keep; at least 1. No clock decides: months without tweets do not count.
        dry_run: delete nothing, only say what would go.

    Returns:
        The indices that are gone, the oldest first.

    Raises:
        LumbungError: `keep` is less than 1.
    """
    if keep < 1:
        raise LumbungError(f"{keep} months to keep", where="prune", remedy="keep at least 1")
    existing = months(cluster)
    newest = sorted({month.month for month in existing})[-keep:]
    return _delete(cluster, [month for month in existing if month.month not in newest], dry_run=dry_run)


def drop_version(cluster: Cluster, version: int, *, dry_run: bool = False) -> list[str]:
    """Delete all indices of a mapping version that readers do not use; there is no roll-back to it then.

    Args:
        cluster: the search server.
        version: the mapping version.
        dry_run: delete nothing, only say what would go.

    Returns:
        The indices that are gone.

    Raises:
        LumbungError: readers use it.
    """
    indices = [month for month in months(cluster) if month.version == version]
    if any(month.live for month in indices):
        raise LumbungError(
            f"readers use mapping version {version}",
            where=f"{cluster.address}, alias {cluster.alias}",
            remedy="move the alias to another version first",
        )
    return _delete(cluster, indices, dry_run=dry_run)


def _delete(cluster: Cluster, gone: list[Month], *, dry_run: bool) -> list[str]:
    for month in gone if not dry_run else ():
        cluster.ask(cluster.client.options(ignore_status=404).indices.delete, index=month.index)
    return [month.index for month in gone]
