"""Files that the Spark job of contract events reads, what Sail makes of them, and the script that submits the job."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

from lumbung.core.settings import ROOT, Settings
from lumbung.spark import contracts, package
from lumbung.spark.session import session
from lumbung.systems.contract_events.generate import generate
from support import spark_server

SOURCES = {"accounts": "accounts.csv", "parties": "parties.csv", "addresses": "party_address.csv"}
OUTPUTS = ("events", "contracts", "parties")
CONTRACTS = 300


def write(folder: Path, step: int) -> dict[str, Path]:
    """Write synthetic accounts, parties and addresses of so many days later as snapshots have them."""
    generate(folder, contracts=CONTRACTS, seed=5, step=step)
    files = {}
    for name, source in SOURCES.items():
        columns = (folder / source).read_text().partition("\n")[0].split(",")
        options = pc.ConvertOptions(
            column_types=dict.fromkeys(columns, pa.string()), strings_can_be_null=True, quoted_strings_can_be_null=False
        )
        table = pc.read_csv(folder / source, convert_options=options)
        files[name] = folder / f"{name}.parquet"
        pq.write_table(table, files[name])
    return files


def by_sail(folder: Path, before: Path | None, day: date, output: Path, cuts: Sequence[str] = ()) -> dict[str, bytes]:
    """What Sail writes of the files of `write`.

    Args:
        folder: where those are.
        before: where the day before is; None: nothing was sent.
        day: the version's day.
        output: where the files go.
        cuts: contracts at which a range begins.
    """
    output.mkdir()
    given = contracts.Inputs(
        *([f"{folder}/{name}.parquet"] for name in SOURCES),
        *([f"{before}/{name}.parquet"] if before else [] for name in ("contracts", "parties")),
        [],
    )
    with session(Settings.of(spark="sail")) as opened:
        chunks = contracts.build(
            opened,
            given,
            day=day,
            schema_version="1.0",
            holds_removals=False,
            ranges=list(zip([None, *cuts], [*cuts, None], strict=True)),
        )
        contracts.write(chunks, *(output / f"{name}.parquet" for name in OUTPUTS))
    return contents(output)


def contents(folder: Path) -> dict[str, bytes]:
    """The bytes of a job's files."""
    return {name: (folder / f"{name}.parquet").read_bytes() for name in OUTPUTS}


def submitter(node: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Make a function that runs a copy of the script as on an edge node: with nothing of the project beside it.

    Args:
        node: where the copy goes.
    """
    shutil.copytree(ROOT / "infra" / "submit", node / "infra" / "submit")

    def submit(*arguments: str, build: bool = True, **environ: str) -> subprocess.CompletedProcess[str]:
        if build:
            package.build(node / "build")
        spark = spark_server.environ() if spark_server.ENVIRONMENT.exists() else {"PATH": os.environ["PATH"]}
        return subprocess.run(
            [sys.executable, "-I", node / "infra/submit/contracts.py", *arguments],
            cwd=node,
            env=spark | environ,
            capture_output=True,
            text=True,
            timeout=600,
        )

    return submit
