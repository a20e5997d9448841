#!/usr/bin/env python3
"""Run the Spark job of contract events by spark-submit: on this machine (local), or on a YARN cluster (qa, prod).

The job is what `make package` writes; the cluster is the one that HADOOP_CONF_DIR describes. It writes events.parquet,
contracts.parquet and parties.parquet. Options after -- go to spark-submit. This file needs Python 3.10 or later, and
nothing of the project's environment. docs/cookbooks/spark-submit.md
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUILD = HERE.parents[1] / "build"
ENVIRONMENTS = ("local", "qa", "prod")
# What the job reads: options of this command.
REQUIRED, OPTIONAL = ("accounts", "parties", "addresses"), ("contracts", "contract_parties", "holds")
OUTPUTS = ("events", "contracts", "parties")


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("environment", metavar="ENV", choices=ENVIRONMENTS, help="local, qa or prod")
    parser.add_argument("plan", nargs="?", metavar="PLAN", help="a plan: a local file, or its address on the cluster")
    given = parser.add_argument_group("without a plan")
    given.add_argument("--day", help="the version's day, YYYY-MM-DD")
    for name, text in (
        ("accounts", "columns of staging.account"),
        ("parties", "columns of staging.party"),
        ("addresses", "columns of staging.party_address"),
        ("contracts", "contracts.parquet of the job before; neither this nor the next: nothing was sent"),
        ("contract-parties", "parties.parquet of the job before"),
        ("holds", "contract_id and party_id of rejected rows"),
    ):
        given.add_argument(f"--{name}", metavar="FILE", help=text)
    given.add_argument("--output", metavar="FOLDER", help="where the three files go")
    given.add_argument(
        "--cut",
        metavar="ID",
        action="append",
        default=[],
        help="contract at which a new range begins; the driver holds a range",
    )
    given.add_argument("--schema-version", default="1.0", choices=("1.0", "1.1"))
    given.add_argument(
        "--holds-removals", action="store_true", help="hold every removal: a missing row may have been rejected"
    )
    return parser


def lacking(given: argparse.Namespace) -> list[str]:
    """Everything that is missing."""
    missing = []
    values = vars(given)
    if not given.plan:
        missing += [f"--{name}" for name in ("day", *REQUIRED, "output") if not values[name]]
        if bool(given.contracts) != bool(given.contract_parties):
            missing.append("--contracts and --contract-parties together")
        files = [values[name] for name in REQUIRED + OPTIONAL if values[name]]
        missing += [f"the file {file}" for file in files if is_local(given, file) and not Path(file).exists()]
    elif is_local(given, given.plan) and not Path(given.plan).is_file():
        missing.append(f"the plan {given.plan}")
    missing += [
        f"{BUILD / name}: run make package" for name in ("lumbung.zip", "job.py") if not (BUILD / name).is_file()
    ]
    if not shutil.which(spark_submit()):
        missing.append(f"{spark_submit()}: install Spark 4, and set SPARK_HOME")
    if not (shutil.which("java") or os.environ.get("JAVA_HOME")):
        missing.append("Java 17 or later: install it, or set JAVA_HOME")
    if given.environment != "local" and not (os.environ.get("HADOOP_CONF_DIR") or os.environ.get("YARN_CONF_DIR")):
        missing.append("HADOOP_CONF_DIR: the folder of the cluster's core-site.xml and yarn-site.xml")
    return missing


def is_local(given: argparse.Namespace, address: str) -> bool:
    """Whether an address is a path of this machine; on a cluster one without a scheme is of its own file system."""
    return given.environment == "local" and "://" not in address


def spark_submit() -> str:
    """The program."""
    home = os.environ.get("SPARK_HOME")
    return str(Path(home, "bin", "spark-submit")) if home else "spark-submit"


def plan(given: argparse.Namespace) -> dict[str, object]:
    """The plan of what is given, as `lumbung.spark.job` reads it."""

    def address(name: str) -> str:
        return str(Path(name).absolute()) if is_local(given, name) else name

    def addresses(name: str | None) -> list[str]:
        return [address(name)] if name else []

    output = address(given.output).rstrip("/")
    cuts = sorted(given.cut, key=str.encode)  # as Spark compares texts
    return {
        "contracts": {
            "inputs": {name: addresses(vars(given)[name]) for name in REQUIRED + OPTIONAL},
            "day": given.day,
            "schema_version": given.schema_version,
            "holds_removals": given.holds_removals,
            "ranges": list(zip([None, *cuts], [*cuts, None], strict=True)),
            **{name: f"{output}/{name}.parquet" for name in OUTPUTS},
        }
    }


def main(arguments: Sequence[str]) -> int:
    """Submit the job: spark-submit's exit code; 2 where something is missing."""
    options = arguments[arguments.index("--") + 1 :] if "--" in arguments else []
    given = parser().parse_args(arguments[: len(arguments) - len(options) - 1] if "--" in arguments else arguments)
    if missing := lacking(given):
        sys.stderr.write("\n".join(["contracts.py: this is missing:", *(f"  {name}" for name in missing)]) + "\n")
        return 2
    with tempfile.TemporaryDirectory(prefix="lumbung-") as folder:
        file, address = Path(folder, "plan.json"), given.plan
        if not given.plan:
            file.write_text(json.dumps(plan(given)))
        elif Path(given.plan).is_file():
            shutil.copy(given.plan, file)
        # The driver finds the plan in its working folder: on a cluster --files puts it there, and here it is there.
        files = ["--files", str(file)] if file.exists() else []
        command = [
            spark_submit(),
            *("--properties-file", str(HERE / f"{given.environment}.conf")),
            "--load-spark-defaults",  # of the cluster, which that file would else replace
            *("--py-files", str(BUILD / "lumbung.zip")),
            *files,
            *options,
            str(BUILD / "job.py"),
            file.name if files else address,
        ]
        return subprocess.run(command, cwd=folder, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
