"""Mutated source files: each is loaded with read = loaded + rejected, or refused by name; never anything else."""

from __future__ import annotations

import json
import random
import shutil
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq

from faults.environment import FaultEnvironment, day_of
from faults.result import Options, Result, scenario
from lumbung.catalog import query
from lumbung.catalog.contract import Catalog, Contract
from lumbung.core.errors import LumbungError
from lumbung.pipeline.build import check
from lumbung.pipeline.extract import extract
from lumbung.pipeline.snapshot import Snapshot
from lumbung.storage.lake import FolderLake
from lumbung.storage.manifest import DataFile
from lumbung.systems.pinter_skuy.generate import generate
from support.pipeline import SYSTEM, PipelineHarness

FILES = {
    "student": "student.json",
    "course": "course.json",
    "mentor": "mentor.csv",
    "course_category": "course_category.csv",
}
ENROLLMENTS = 2000
# One in so many of the files that are loaded, and of those that are refused, is run to the marts as well.
SAMPLED = 20
ENCODINGS = ("utf-16", "utf-16-le", "utf-32", "cp1252", "latin-1", "utf-8-sig", "shift-jis")
STRAYS = (
    b'"',
    b"'",
    b"\\",
    b"\x00",
    b"\r",
    b"\n",
    b",",
    b"{",
    b"}",
    b"[",
    b"]",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    b"1e999",
)


def run_files(environment: FaultEnvironment, options: Options) -> Result:
    """Disturb the bytes of source files: extract every mutated file, and run some of them through the warehouse."""
    catalog = Catalog(environment.catalog)
    with scenario("mutated files") as result, tempfile.TemporaryDirectory(prefix="lumbung-faults-") as folder:
        good = Path(folder, "good")
        generate(good, enrollments=ENROLLMENTS, seed=options.seed)
        with environment.harness() as harness:
            _begin(harness, good)
            seen = Counter[bool]()
            for number in range(options.files):
                choice = random.Random(f"{options.seed} {number}")
                entity = choice.choice(list(FILES))
                content, done = mutated((good / FILES[entity]).read_bytes(), choice)
                result.tries += 1
                place = f"file {number}, {FILES[entity]}, {' + '.join(done)}"
                data = Path(folder, f"{number}")
                data.mkdir()
                (data / FILES[entity]).write_bytes(content)
                faults, loaded = _extracted(catalog[f"staging.{entity}"], data, content, result.outcomes)
                seen[loaded] += 1
                if seen[loaded] % SAMPLED == 1:
                    faults += _published(harness, FILES[entity], content, result.outcomes)
                    harness.file(FILES[entity], (good / FILES[entity]).read_bytes())
                result.faults += [f"{place}: {fault}" for fault in faults]
                shutil.rmtree(data)
                if (number + 1) % 100 == 0:
                    options.say(f"file {number + 1} of {options.files}")
    return result


def mutated(content: bytes, choice: random.Random) -> tuple[bytes, list[str]]:
    """A file's bytes after one to three mutations, and their names."""
    done = choice.choices(list(MUTATIONS), k=choice.choice((1, 1, 2, 3)))
    for name in done:
        content = MUTATIONS[name](content, choice)
    return content, done


def _flip(content: bytes, choice: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(choice.choice((1, 1, 3, 20))):
        if changed:
            changed[choice.randrange(len(changed))] ^= 1 << choice.randrange(8)
    return bytes(changed)


def _cut(content: bytes, choice: random.Random) -> bytes:
    at = choice.randrange(len(content) + 1)
    return content[:at] if choice.random() < 0.7 else content[at:]


def _lines(change: Callable[[list[bytes], random.Random], object]) -> Callable[[bytes, random.Random], bytes]:
    def changed(content: bytes, choice: random.Random) -> bytes:
        lines = content.splitlines(keepends=True)
        if lines:
            change(lines, choice)
        return b"".join(lines)

    return changed


def _double(lines: list[bytes], choice: random.Random) -> None:
    for _ in range(choice.choice((1, 2, 5))):
        lines.insert(choice.randrange(len(lines) + 1), choice.choice(lines))


def _swap_columns(content: bytes, choice: random.Random) -> bytes:
    """Values of some rows change places; sometimes in the header too, which is a valid file."""
    lines = content.splitlines(keepends=True)
    for index in choice.sample(range(len(lines)), k=min(len(lines), choice.choice((1, 2, len(lines))))):
        cells = lines[index].rstrip(b"\r\n").split(b",")
        first, second = (choice.randrange(len(cells)) for _ in range(2))
        cells[first], cells[second] = cells[second], cells[first]
        lines[index] = b",".join(cells) + b"\n"
    return b"".join(lines)


def _break_quotes(content: bytes, choice: random.Random) -> bytes:
    quotes = [at for at, byte in enumerate(content) if byte == ord('"')]
    if quotes and choice.random() < 0.5:
        at = choice.choice(quotes)
        return content[:at] + content[at + 1 :]
    return _insert(content, choice, b'"')


def _stray(content: bytes, choice: random.Random) -> bytes:
    return _insert(content, choice, choice.choice(STRAYS) * choice.choice((1, 1, 2, 5000)))


def _insert(content: bytes, choice: random.Random, what: bytes) -> bytes:
    at = choice.randrange(len(content) + 1)
    return content[:at] + what + content[at:]


def _mix_encodings(content: bytes, choice: random.Random) -> bytes:
    start = choice.choice((0, choice.randrange(len(content) + 1)))
    end = choice.choice((len(content), choice.randrange(start, len(content) + 1)))
    part = content[start:end].decode("utf-8", "replace").replace("a", choice.choice("aäé名"))
    return content[:start] + part.encode(choice.choice(ENCODINGS), "replace") + content[end:]


MUTATIONS: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "bytes flipped": _flip,
    "cut": _cut,
    "lines doubled": _lines(_double),
    "lines shuffled": _lines(lambda lines, choice: choice.shuffle(lines)),
    "columns swapped": _swap_columns,
    "quotes broken": _break_quotes,
    "stray bytes": _stray,
    "encodings mixed": _mix_encodings,
}


def _extracted(contract: Contract, data: Path, content: bytes, outcomes: Counter[str]) -> tuple[list[str], bool]:
    """What does not hold of an extract of the file, and whether it was loaded."""
    lake = FolderLake("file:///lake", data / "lake")
    try:
        taken, _ = extract(
            contract, day_of(0), lake=lake, data_source=data, dsn=None, run_id="files", started_at=datetime.now(UTC)
        )
    except LumbungError as error:
        outcomes["refused"] += 1
        return _named(error, contract), False
    except Exception:  # noqa: BLE001 - what this looks for
        return [traceback.format_exc()], False
    outcomes["loaded with rejects" if taken.rows_rejected else "loaded whole"] += 1
    return _balanced(taken, lake, contract, content), True


def _balanced(taken: Snapshot, lake: FolderLake, contract: Contract, content: bytes) -> list[str]:
    faults = []
    if taken.rows_read != taken.rows_kept + taken.rows_rejected:
        faults.append(f"{taken.rows_read} read, {taken.rows_kept} kept, {taken.rows_rejected} rejected")
    kept, rejects = _rows(lake, taken.file), _rows(lake, taken.rejects)
    if (len(kept), len(rejects)) != (taken.rows_kept, taken.rows_rejected):
        faults.append(f"the files hold {len(kept)} rows and {len(rejects)} rejects, not what the manifest says")
    expected = rows_in(content, contract)
    if expected is not None and expected != taken.rows_read:
        faults.append(f"{taken.rows_read} rows read of {expected}")
    keys = Counter(tuple(row[column] for column in contract.key) for row in kept)
    if any(count > 1 or None in key for key, count in keys.items()):
        faults.append("a key is null or comes twice")
    if any(not row["reason"] for row in rejects):
        faults.append("a reject has no reason")
    return faults


def rows_in(content: bytes, contract: Contract) -> int | None:
    """How many rows a file has by another way of counting; None: only a parser can count them."""
    text = content.removeprefix(b"\xef\xbb\xbf")
    assert contract.source
    if contract.source.kind == "csv":
        lines = [line for line in text.split(b"\n") if line.rstrip(b"\r")]
        return None if b'"' in text or any(line == b"\r" for line in text.split(b"\n")) else len(lines) - 1
    if text.lstrip()[:1] == b"{":
        return sum(1 for line in text.split(b"\n") if line.strip())
    return len(json.loads(text.decode("utf-8", "surrogateescape"), strict=False))


def _named(error: LumbungError, contract: Contract) -> list[str]:
    message = str(error)
    assert contract.source and contract.source.path
    faults = [f"the refusal has {what}: {message}" for what in ("\n", "Traceback") if what in message]
    if contract.source.path not in message:
        faults.append(f"the refusal does not name the file: {message}")
    return faults


def _rows(lake: FolderLake, file: DataFile | None) -> list[dict[str, object]]:
    if not file:
        return []
    with lake.local(file.path) as path:
        return pq.read_table(path, partitioning=None).to_pylist()


def _begin(harness: PipelineHarness, good: Path) -> None:
    for name in FILES.values():
        harness.file(name, (good / name).read_bytes())
    lines = (good / "course_enrollment.csv").read_text().splitlines()
    columns = lines[0].split(",")
    harness.fill({"course_enrollment": [dict(zip(columns, line.split(","), strict=True)) for line in lines[1:]]})
    harness.take(day_of(0))


def _published(harness: PipelineHarness, name: str, content: bytes, outcomes: Counter[str]) -> list[str]:
    """What does not hold of the warehouse after a run on the file; the day is taken again for each file."""
    before = harness.checksum("dwh", "datamart")
    harness.file(name, content)
    run = harness.run(day_of(0), refresh=True)
    try:
        run.all()
    except LumbungError as error:
        outcomes["sampled: refused"] += 1
        if "\n" in str(error):
            return [f"the run says {error}"]
        return [] if harness.checksum("dwh", "datamart") == before else ["a refused run has changed the tables"]
    except Exception:  # noqa: BLE001 - what this looks for
        return [traceback.format_exc()]
    outcomes["sampled: published"] += 1
    return [*unbalanced(harness, run.version), *failed_checks(harness)]


def failed_checks(harness: PipelineHarness) -> list[str]:
    """Published tables that fail a check of their contracts."""
    faults = []
    for contract in query.tables(harness.catalog, SYSTEM):
        try:
            check(harness.warehouse, contract, harness.warehouse.table, contract.address, {})
        except LumbungError as error:
            faults.append(f"published: {error}")
    return faults


def unbalanced(harness: PipelineHarness, version: object) -> list[str]:
    """Sources of a version of which not every row is in staging or among the rejects."""
    faults = []
    for entity, member in version.members.items():
        where = f"WHERE snapshot_date = '{version.day}'"
        (loaded,) = harness.rows(f"SELECT COUNT(*) AS n FROM {{staging.{entity}}} {where}")
        (rejected,) = harness.rows(
            f"SELECT COUNT(*) AS n FROM {{staging.rejected_row}} {where} AND entity = '{entity}'"
        )
        if member.rows_read != loaded["n"] + rejected["n"]:
            faults.append(f"{entity}: {member.rows_read} read, {loaded['n']} loaded, {rejected['n']} rejected")
    return faults
