"""What the report page shows: a section of each system that is published, and where all of their rows went."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

from lumbung.catalog.contract import Catalog
from lumbung.core.settings import Settings
from lumbung.pipeline.system import System
from lumbung.serving import published
from lumbung.serving.reasons import names_of, without_values
from lumbung.serving.schema import Accounting, Freshness, RejectedRow, Section
from lumbung.storage.lake import Lake
from lumbung.storage.warehouse import Warehouse
from lumbung.systems.registry import all_systems

REJECTS_READ = 1_000


@dataclass(frozen=True)
class ReportData:
    """All that the page shows.

    Attributes:
        day: the business day the leading section's tables were built for.
        generated_at: when the page was made, with a zone.
        looker_url: https address of the Looker Studio report, if there is one.
        project: the BigQuery project; None: the local server.
        sections: one for each system that is published; the first one leads the page.
        freshness: one for each system that is published.
        accounting: one for each source of the day that its system has published; of a system that counts all days,
            those of all days.
        rejects: the rejected rows, or the first of them; the page shows 100, and the total from `accounting`.
    """

    day: date
    generated_at: datetime
    looker_url: str | None
    project: str | None
    sections: list[Section]
    freshness: list[Freshness]
    accounting: list[Accounting]
    rejects: list[RejectedRow]

    def without_raw_rows(self) -> ReportData:
        """The same for readers who may not see rejected rows as the source had them: those hold personal data."""
        names = names_of(Catalog().contracts.values())
        rejects = [replace(row, raw=None, reason=without_values(row.reason, names)) for row in self.rejects]
        return replace(self, rejects=rejects)


def collect(warehouse: Warehouse, lake: Lake, settings: Settings) -> ReportData:
    """Read all that the page shows.

    Args:
        warehouse: where tables are published.
        lake: where the rows of each source are accounted for, and what sections show beside tables.
        settings: project and links.

    Raises:
        LumbungError: nothing is published yet.
    """
    systems = sorted(all_systems(), key=lambda system: system.position)
    positions = {system.name: system.position for system in systems}
    freshness = sorted(published.freshness(warehouse), key=lambda row: positions.get(row.system, math.inf))
    day = freshness[0].published_day
    days = {row.system: row.published_day for row in freshness}
    shown = [system for system in systems if system.name in days]
    # A snapshot that was refused for its rejects publishes nothing, and its rejects show all the same.
    with_rejects = [system for system in systems if system in shown or not system.counts_all_days]
    return ReportData(
        day=day,
        generated_at=datetime.now(UTC),
        looker_url=next((url for system in systems if (url := system.looker_url(settings))), None),
        project=settings.project,
        sections=[system.section(warehouse, lake) for system in shown],
        freshness=freshness,
        accounting=[row for system in shown for row in system.accounting(lake, days[system.name])],
        rejects=_rejects(warehouse, {system: days.get(system.name, day) for system in with_rejects}),
    )


def _rejects(warehouse: Warehouse, days: dict[System, date]) -> list[RejectedRow]:
    """The rejects of each system: of the day that it has published, or of all days where it counts all."""
    conditions = [
        f"(system = '{system.name}'{'' if system.counts_all_days else f" AND snapshot_date = '{day}'"})"
        for system, day in days.items()
    ]
    rows = published.rows(
        warehouse,
        f"SELECT entity, line, raw, reason FROM {{0}} WHERE {' OR '.join(conditions)}"
        f" ORDER BY entity, line LIMIT {REJECTS_READ}",
        "staging.rejected_row",
    )
    return [RejectedRow(row["entity"], row["line"], row["raw"] or "", row["reason"]) for row in rows]
