"""What a Spark worker needs of this project, as one zip: for a Spark Connect server, Dataproc or spark-submit.

`python -m lumbung.spark.package FOLDER` writes the zip and a job's main file into a folder (`make package`).
"""

from __future__ import annotations

import importlib.resources
import sys
import zipfile
from importlib.resources.abc import Traversable
from pathlib import Path

NAME, MAIN = "lumbung.zip", "job.py"
OURS = (
    "__init__.py",
    "core/__init__.py",
    "core/day.py",
    "core/errors.py",
    "models/__init__.py",
    "models/als.py",
    "models/clustering.py",
    "models/fit.py",
    "models/labels.py",
    "models/model_file.py",
    "models/parameters.py",
    "models/prediction.py",
    "models/recommendation.py",
    "models/rows.py",
    "spark/__init__.py",
    "spark/clean.py",
    "spark/contracts.py",
    "spark/features.py",
    "spark/leaves.py",
    "spark/mllib.py",
    "spark/text.py",
    "spark/train.py",
)
# Of language detection what detects; its server and training stay here.
DETECTOR = ("__init__.py", "langid.py", "modelio.py", "data/model.npz.xz")


def write(file: Path) -> Path:
    """Write the zip; the same bytes each time.

    Args:
        file: where it goes.

    Returns:
        `file`.
    """
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for package, names in (("lumbung", OURS), ("py3langid", DETECTOR)):
            for name in names:
                source: Traversable = importlib.resources.files(package) / name
                entry = zipfile.ZipInfo(f"{package}/{name}")
                entry.create_system = 3  # Unix; else the machine that writes it
                archive.writestr(entry, source.read_bytes())
    return file


def build(folder: Path) -> tuple[Path, Path]:
    """Write the zip and the main file of a job, by which a cluster runs it; the same bytes each time.

    Args:
        folder: where they go; it is made.

    Returns:
        The zip and the main file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    main = folder / MAIN
    main.write_bytes(Path(__file__).with_name(MAIN).read_bytes())
    return write(folder / NAME), main


if __name__ == "__main__":
    for written in build(Path(sys.argv[1])):
        print(written)  # noqa: T201 - a command's output
