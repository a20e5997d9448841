"""Synthetic landings in a lake, without a Kafka."""

from datetime import UTC, date, datetime, timedelta

from lumbung.storage.lake import Lake
from lumbung.stream.landing import LandedFile, Landing, create
from lumbung.systems.cilvest.feed import LANDED

TOPICS = ("_first-topic", "second-topic")
PARTITIONS = 3
CHAINS = len(TOPICS) * PARTITIONS
NOON = datetime(2026, 11, 25, 5, tzinfo=UTC)
DAY = date(2026, 11, 25)


def _file(name: str, rows: int) -> LandedFile:
    return LandedFile(path=f"raw/cilvest/tweet/{name}.parquet", rows=rows, bytes=100, sha256="0" * 64, day=DAY)


def land(lake: Lake, numbers: range) -> None:
    """Landings of ten offsets each, one after the other in all chains; their files are only named."""
    for number in numbers:
        chain, place = number % CHAINS, number // CHAINS
        landing = Landing(
            topic="t",
            topic_id=TOPICS[chain // PARTITIONS],
            partition=chain % PARTITIONS,
            start_offset=10 * place,
            next_offset=10 * (place + 1),
            rows_read=10,
            rows_kept=9,
            rows_rejected=1,
            files=[_file(f"{number}", 9)],
            rejects=_file(f"{number}-rejects", 1),
            landed_at=NOON + timedelta(minutes=number),
        )
        assert create(lake, LANDED, landing)
