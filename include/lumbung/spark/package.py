"""What a Spark worker needs of this project, as one zip: for a Spark Connect server, and for Dataproc's `pyFiles`."""

from __future__ import annotations

import importlib.resources
import zipfile
from importlib.resources.abc import Traversable
from pathlib import Path

NAME = "lumbung.zip"
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
                archive.writestr(zipfile.ZipInfo(f"{package}/{name}"), source.read_bytes())
    return file
