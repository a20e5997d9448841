"""Plans: what a run would send, made by Spark from the newest version and from what was sent last."""

from __future__ import annotations

import contextlib
import tempfile
import uuid
from collections import Counter
from collections.abc import Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq

from lumbung.pipeline.run import Run
from lumbung.pipeline.snapshot import Version
from lumbung.spark.files import readable
from lumbung.storage.columns import arrow_schema
from lumbung.storage.duck import engine, parquet, store
from lumbung.storage.manifest import Document
from lumbung.storage.warehouse import short
from lumbung.stream.registry import frame
from lumbung.stream.shipper import MESSAGE_BYTES, check_size
from lumbung.systems.contract_events import holds as held
from lumbung.systems.contract_events.message import TOMBSTONE, Messages
from lumbung.systems.contract_events.part import GROUP_EVENTS, PartWriter
from lumbung.systems.contract_events.schema import validator
from lumbung.systems.contract_events.sending import PLANS, STATES, Counts, Plan, Sending

if TYPE_CHECKING:
    from lumbung.spark.contracts import Chunk, Inputs

SOURCES = ("account", "party", "party_address")
CONTRACT, CONTRACT_PARTY = "contract", "contract_party"
HELD = "HELD"
MOST_BYTES = MESSAGE_BYTES - len(frame(0))
"""Of key and value, with room for what a schema registry puts before the value."""


class Work(Document):
    """What a plan is made from.

    Attributes:
        key: names its files.
        base: the sending that the version is compared with; None: nothing was sent.
        version: the version.
        holds: the file of what rejected rows hold back.
        holds_removals: whether a reject whose key cannot be read holds back every removal.
        schema_version: of the events.
    """

    key: str
    base: Sending | None
    version: Version
    holds: str
    holds_removals: bool
    schema_version: str

    @property
    def files(self) -> list[list[str]]:
        """Files of accounts, parties, addresses, the last sending's contracts and their parties, and of holds."""
        sources = [[self.version.members[name].file.path] for name in SOURCES]
        content = self.base and self.base.content
        return [*sources, *([[content.contracts.path], [content.parties.path]] if content else [[], []]), [self.holds]]


def plan_path(run: Run) -> str:
    """Where a run's plan is in the lake."""
    return f"{PLANS}/{short(run.run_id)}.json"


def prepare(run: Run, version: Version, base: Sending | None) -> Work:
    """Write down what rejected rows hold back.

    Args:
        run: the run.
        version: the version whose events are wanted.
        base: the sending before.
    """
    holds = held.holds(run.lake, version)
    key = f"{version.day}-{version.generation}-{uuid.uuid4().hex[:12]}"
    path = f"{PLANS}/{key}-holds.parquet"
    with tempfile.TemporaryDirectory(prefix="lumbung-") as folder:
        file = Path(folder) / "holds.parquet"
        held.write(holds, file)
        run.lake.put(file, path)
    return Work(
        key=key,
        base=base,
        version=version,
        holds=path,
        holds_removals=holds.removals,
        schema_version=run.settings.contract_events.schema_version,
    )


def by_session(run: Run, work: Work) -> Plan:
    """Make the plan by a Spark session."""
    from lumbung.spark.contracts import build
    from lumbung.spark.session import session

    with ExitStack() as stack:
        addresses = [readable(run.settings, run.lake, paths, stack) for paths in work.files]
        cuts = ranges(run, work)
        spark = stack.enter_context(session(run.settings))
        chunks = build(
            spark,
            inputs(addresses),
            day=work.version.day,
            schema_version=work.schema_version,
            holds_removals=work.holds_removals,
            ranges=cuts,
        )
        return write(run, work, chunks)


def inputs(addresses: list[list[str]]) -> Inputs:
    """The files of `Work.files` as Spark is given them."""
    from lumbung.spark.contracts import Inputs

    accounts, parties, places, contracts, contract_parties, holds = addresses
    return Inputs(
        accounts=accounts,
        parties=parties,
        addresses=places,
        contracts=contracts,
        contract_parties=contract_parties,
        holds=holds,
    )


def ranges(run: Run, work: Work) -> list[tuple[str | None, str | None]]:
    """Ranges of contract ids by bytes, from the first and before the second: any number takes the same memory."""
    from lumbung.spark.contracts import FIRST_RANGE, LATER_RANGE

    accounts, _, _, contracts, *_ = work.files
    size = LATER_RANGE if work.base else FIRST_RANGE
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lumbung-")))
        db = stack.enter_context(engine(folder))
        columns = [("account_id", path) for path in accounts] + [("contract_id", path) for path in contracts]
        ids = " UNION ".join(
            f"SELECT {column} AS id FROM {parquet(stack.enter_context(run.lake.local(path)))}"
            for column, path in columns
        )
        rows = db.execute(f"""
            SELECT id FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM ({ids}))
            WHERE n > 1 AND n % {size} = 1 ORDER BY n
        """).fetchall()
    cuts = [cut for (cut,) in rows]
    return list(zip([None, *cuts], [*cuts, None], strict=True))


def write(run: Run, work: Work, chunks: Iterable[Chunk]) -> Plan:
    """Make messages of what Spark found, check each, and put all of it into the lake.

    Args:
        run: the run.
        work: what it is made from.
        chunks: events and states, by contract ids.

    Raises:
        LumbungError: a message is not as its schema says, or larger than Kafka takes.
    """
    version, topic = work.version, run.settings.contract_events.topic
    messages = Messages(version.day, version.generation, work.schema_version)
    validate = validator(work.schema_version)
    operations: Counter[str] = Counter()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lumbung-")))
        parts = PartWriter(run.lake, work.key, folder, tombstones=run.settings.contract_events.tombstone)
        contracts, parties = (
            stack.enter_context(_State(run, name, folder / f"{name}.parquet")) for name in (CONTRACT, CONTRACT_PARTY)
        )

        def add(events: pa.RecordBatch) -> None:
            found = list(zip(*(events.column(name).to_pylist() for name in _COLUMNS), strict=True))
            made = [(*event[:2], *messages.message(event[0], event[2])) for event in found if event[1] != HELD]
            validate([value for *_, value in made])
            for contract_id, _, _, value in made:
                if len(contract_id) + len(value) > MOST_BYTES // 4:  # so many characters may be more bytes
                    check_size(contract_id.encode(), value.encode(), MOST_BYTES, topic)
            operations.update(operation for _, operation, _ in found)
            operations[TOMBSTONE] += parts.add(made)

        # Closed before Spark's session, which a thread may be using.
        for chunk in stack.enter_context(contextlib.closing(ahead(chunks))):
            contracts.add(chunk.contracts)
            parties.add(chunk.parties)
            for batch in chunk.events.to_batches(GROUP_EVENTS):
                add(batch)
        path = f"{STATES}/{work.key}"
        base, members = work.base, version.members.values()
        return Plan(
            base=base.generation if base else 0,
            day=version.day,
            generation=version.generation,
            version=version.target().manifest,
            extracted_at=max(member.extracted_at for member in members),
            provisional=any(member.provisional for member in members),
            schema_version=work.schema_version,
            engine=urlsplit(run.settings.spark.engine).hostname or run.settings.spark.engine,
            parts=parts.close(),
            contracts=store(run.lake, contracts.close(), f"{path}-{CONTRACT}.parquet"),
            parties=store(run.lake, parties.close(), f"{path}-{CONTRACT_PARTY}.parquet"),
            counts=Counts().add(operations),
            holds_removals=work.holds_removals,
        )


_COLUMNS = ("contract_id", "operation", "payload")


def ahead(chunks: Iterable[Chunk]) -> Generator[Chunk]:
    """Each chunk, while Spark is at work on the next one in a thread."""
    following = iter(chunks)
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, following, None)
        while chunk := coming.result():
            coming = thread.submit(next, following, None)
            yield chunk
            del chunk  # else three are in memory


class _State:
    """Contracts, or their parties, as they are after the plan."""

    def __init__(self, run: Run, table: str, file: Path) -> None:
        schema = arrow_schema(run.catalog[f"staging.{table}"])
        self.schema = schema.remove(schema.get_field_index("snapshot_date"))
        self.file = file
        self._writer = pq.ParquetWriter(file, self.schema, compression="zstd")

    def add(self, rows: pa.Table) -> None:
        """Append rows."""
        self._writer.write_table(rows.select(self.schema.names).cast(self.schema))

    def close(self) -> Path:
        """The finished file."""
        self._writer.close()
        return self.file

    def __enter__(self) -> _State:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()
