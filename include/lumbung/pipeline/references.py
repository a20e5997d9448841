"""References between a system's snapshots of a day, and the version that they make together."""

from __future__ import annotations

import hashlib
import tempfile
import uuid
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import date
from pathlib import Path

import duckdb

from lumbung.catalog.contract import Contract, Reference
from lumbung.catalog.references import order
from lumbung.core.errors import LumbungError, SourceError
from lumbung.pipeline import snapshot
from lumbung.pipeline.rejects import RejectWriter, too_many
from lumbung.pipeline.snapshot import Member, Snapshot, Version
from lumbung.sources import Reject
from lumbung.storage.duck import engine, literal, parquet, quote, store
from lumbung.storage.lake import Lake
from lumbung.storage.manifest import DataFile, are_there, commit


def make_version(contracts: Sequence[Contract], system: str, day: date, lake: Lake, run_id: str) -> Version:
    """Check the references between a run's snapshots of a day and write the version they make.

    A row that refers to a missing row is rejected, and so on for the rows that refer to it. An existing version is
    reused when it lists the same snapshots.

    Args:
        contracts: the contracts of all of the system's sources.
        system: the system.
        day: the business day.
        lake: where snapshots and versions lie.
        run_id: the run.

    Raises:
        SourceError: a source has more rejects than its contract allows. The rejects are in the lake.
        LumbungError: a source has no snapshot for the day.
    """
    refusals: list[SourceError] = []
    rules = hashlib.sha256("".join(contract.definition for contract in contracts).encode()).hexdigest()

    def make(generation: int) -> Version:
        # Snapshots are listed again for each generation tried, so a version never is older than an earlier one.
        snapshots = {contract.table: _committed(contract, day, lake, run_id) for contract in contracts}
        previous = snapshot.version_of(lake, system, day)
        if previous and previous.generations == {name: taken.generation for name, taken in snapshots.items()}:
            raise _Unchanged(previous)
        refusals.clear()
        members = _known(previous, rules, snapshots, lake) or _check(contracts, snapshots, lake, refusals)
        return Version(
            system=system,
            day=day,
            generation=generation,
            state="refused" if refusals else "committed",
            members=members,
            note=" ".join(map(str, refusals)),
            rules=rules,
        )

    try:
        with lake.lease(f"version/{system}"):  # not while old snapshots are pruned
            version = commit(lake, f"{snapshot.version_folder(system)}/dt={day:%Y-%m-%d}", make)
    except _Unchanged as unchanged:
        return unchanged.version
    if refusals:
        raise refusals[0]
    return version


_ONE_SPELLING = (
    "spell the keys alike in both sources (PostgreSQL prints a uuid in lower case and an integer without leading zeros;"
    " a query: in the contract may say upper(id::text)), and run the day again with --refresh"
)


class _Unchanged(Exception):  # noqa: N818 - not an error: it leaves the loop that looks for a generation
    def __init__(self, version: Version) -> None:
        self.version = version


def _committed(contract: Contract, day: date, lake: Lake, run_id: str) -> Snapshot:
    committed = snapshot.committed(lake, contract.system, contract.table, day, run_id)
    if committed is None:
        raise LumbungError("no snapshot", where=f"{contract.address}, day {day}", remedy="run the day again")
    return committed


def _known(
    previous: Version | None, rules: str, snapshots: dict[str, Snapshot], lake: Lake
) -> dict[str, Member] | None:
    """The members, where the last version was made of the same rows by the same contracts; None: they are checked.

    Args:
        previous: the last version; None: there is none.
        rules: names the contracts.
        snapshots: the snapshots of the new version, by source.
        lake: where the files of the last version should still be.
    """
    if previous is None or previous.rules != rules or previous.members.keys() != snapshots.keys():
        return None
    members = {}
    for name, taken in snapshots.items():
        member = previous.members[name]
        rejected = taken.rows_rejected + (member.rejects.rows if member.rejects else 0)
        if taken.file is None or (member.taken, member.rows_read, member.rows_rejected) != (
            taken.file.sha256,
            taken.rows_read,
            rejected,
        ):
            return None
        where = snapshot.folder(taken.system, taken.entity, taken.day)
        if not are_there(lake, where, (member.file, member.rejects)):
            return None
        members[name] = member.model_copy(
            update={
                "generation": taken.generation,
                "extracted_at": taken.extracted_at,
                "provisional": taken.provisional,
                "note": taken.note,
            }
        )
    return members


def _check(
    contracts: Sequence[Contract], snapshots: dict[str, Snapshot], lake: Lake, refusals: list[SourceError]
) -> dict[str, Member]:
    members: dict[str, Member] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lumbung-")))
        db = stack.enter_context(engine(folder))
        for contract in order(contracts):
            taken = snapshots[contract.table]
            assert taken.file
            source = stack.enter_context(lake.local(taken.file.path))
            db.execute(f"CREATE VIEW {quote(contract.table)} AS SELECT * FROM {parquet(source)}")
            file, rejects = taken.file, None
            if contract.references:
                file, rejects = _drop_dangling(db, contract, taken, source, folder, lake)
                if rejects:
                    first, alike = db.execute("SELECT reason, alike FROM dangling ORDER BY n LIMIT 1").fetchall()[0]
                    total = taken.rows_rejected + rejects.rows
                    causes = {
                        reference.table: members[reference.table].rows_rejected for reference in contract.references
                    }
                    lost = ", ".join(f"{rows:,} of {table}" for table, rows in causes.items() if rows)
                    refusal = too_many(
                        contract,
                        taken.day,
                        rejected=total,
                        read=taken.rows_read,
                        reason=first,
                        cause=f"rows rejected there: {lost}" if lost else "",
                        remedy=_ONE_SPELLING if alike else "",
                        by_refresh=True,
                    )
                    refusals += [refusal] if refusal else []
            members[contract.table] = Member(
                generation=taken.generation,
                columns=taken.columns,
                file=file,
                rejects=rejects,
                rows_read=taken.rows_read,
                rows_rejected=taken.rows_rejected + (rejects.rows if rejects else 0),
                extracted_at=taken.extracted_at,
                provisional=taken.provisional,
                note=taken.note,
                taken=taken.file.sha256,
            )
    return {contract.table: members[contract.table] for contract in contracts}


def _drop_dangling(
    db: duckdb.DuckDBPyConnection, contract: Contract, taken: Snapshot, source: Path, folder: Path, lake: Lake
) -> tuple[DataFile, DataFile | None]:
    assert taken.file
    reasons, conditions = [], []
    for number, reference in enumerate(contract.references):
        missing = f"missing_{number}"
        if not _find_missing(db, source, reference, missing):
            continue
        columns = [quote(name) for name in reference.columns]
        match = " AND ".join(f"r.{column} = m.{column}" for column in columns)
        value = " || ', ' || ".join(f"r.{column}" for column in columns)
        conditions.append(f"EXISTS (SELECT 1 FROM {missing} m WHERE {match})")
        reasons.append(
            f"CASE WHEN {conditions[-1]}"
            f" THEN '{', '.join(reference.columns)} ' || {value} || ' is not in {reference.table}' END"
        )
    if not conditions:
        return taken.file, None
    row, key = (
        ", ".join(f"{quote(name)} := r.{quote(name)}" for name in names) for names in (taken.columns, contract.key)
    )
    db.execute(f"""
        CREATE OR REPLACE TEMP TABLE dangling AS
        SELECT file_row_number AS n, struct_pack({row}) AS source, to_json(struct_pack({row}))::VARCHAR AS raw,
            struct_pack({key}) AS key, concat_ws('; ', {", ".join(reasons)}) AS reason, false AS alike
        FROM {parquet(source)} r
        WHERE {" OR ".join(conditions)}
    """)
    for reference in contract.references:
        _say_what_differs(db, reference)
    where = snapshot.folder(contract.system, contract.table, taken.day)
    unique = uuid.uuid4().hex[:12]
    rejects = RejectWriter(folder / f"{contract.table}-rejects.parquet")
    dangling = db.execute("SELECT raw, reason, key FROM dangling ORDER BY n")
    while rows := dangling.fetchmany(10_000):
        rejects.add([Reject(line=None, raw=raw, reason=reason, key=key) for raw, reason, key in rows])
    kept = folder / f"{contract.table}-kept.parquet"
    db.execute(
        f"COPY (SELECT * EXCLUDE (file_row_number) FROM {parquet(source)}"
        f" WHERE file_row_number NOT IN (SELECT n FROM dangling) ORDER BY file_row_number)"
        f" TO {literal(kept)} (FORMAT parquet, COMPRESSION zstd)"
    )
    # Tables that refer to this one see only the rows that stay.
    db.execute(f"CREATE TABLE stay AS SELECT * FROM {parquet(kept)}")
    db.execute(f"DROP VIEW {quote(contract.table)}")
    db.execute(f"ALTER TABLE stay RENAME TO {quote(contract.table)}")
    return (
        store(lake, kept, f"{where}/kept-{unique}.parquet"),
        store(lake, rejects.close(), f"{where}/dangling-{unique}.parquet"),
    )


def _find_missing(db: duckdb.DuckDBPyConnection, source: Path, reference: Reference, table: str) -> bool:
    """Write the keys that a reference does not find into a table: each is looked up once, however many rows have it.

    Args:
        db: the engine, with the table that is referred to.
        source: the rows that refer to it.
        reference: the reference.
        table: the table to write.

    Returns:
        Whether there are any.
    """
    columns = ", ".join(map(quote, reference.columns))
    present = " AND ".join(f"{quote(name)} IS NOT NULL" for name in reference.columns)
    match = " AND ".join(
        f"r.{quote(name)} = t.{quote(key)}" for name, key in zip(reference.columns, reference.key, strict=True)
    )
    db.execute(f"""
        CREATE OR REPLACE TEMP TABLE {table} AS
        SELECT * FROM (SELECT DISTINCT {columns} FROM {parquet(source)} WHERE {present}) r
        ANTI JOIN {quote(reference.table)} t ON {match}
    """)
    return db.execute(f"SELECT count(*) FROM {table}").fetchall() != [(0,)]


def _say_what_differs(db: duckdb.DuckDBPyConnection, reference: Reference) -> None:
    """Add to the reasons of dangling rows the key that differs from theirs in case, blanks or leading zeros only."""
    ours = [f"source.{quote(name)}" for name in reference.columns]
    keys = [quote(name) for name in reference.key]
    value, key = (" || ', ' || ".join(columns) for columns in (ours, keys))
    folded, folded_key = (
        " || ', ' || ".join(f"ltrim(lower(trim({column})), '0')" for column in columns) for columns in (ours, keys)
    )
    missing = f"'{', '.join(reference.columns)} ' || {value} || ' is not in {reference.table}'"
    db.execute(f"""
        UPDATE dangling SET
            alike = true,
            reason = replace(reason, {missing}, {missing} || ', which has ' || near.key || ': only '
                || CASE WHEN lower({value}) = lower(near.key) THEN 'the case differs'
                    WHEN trim({value}) = trim(near.key) THEN 'blanks differ'
                    ELSE 'case, blanks or leading zeros differ' END)
        FROM (
            SELECT {folded_key} AS folded, min({key}) AS key FROM {quote(reference.table)} GROUP BY 1
        ) near
        WHERE near.folded = {folded} AND contains(reason, {missing})
    """)
