"""The machine: Python, the environment, memory, disk, the home folder."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import psutil

from lumbung.core.settings import Settings, variable
from lumbung.serving.schema import Finding

PYTHON = (3, 13)
DISK_GB, MEMORY_GB = 2, 4
COMMAND_MEMORY_GB = 1  # where the servers and Airflow run elsewhere


def python(_settings: Settings) -> Iterator[Finding]:
    """The version of Python."""
    version = ".".join(map(str, sys.version_info[:3]))
    wanted = ".".join(map(str, PYTHON))
    yield Finding("Python", sys.version_info[:2] == PYTHON, version, f"install Python {wanted}, then run make install")


def airflow_environment(_settings: Settings) -> Iterator[Finding]:
    """Whether Airflow is installed in this environment."""
    try:
        found = f"Airflow {metadata.version('apache-airflow')} in {sys.prefix}"
    except metadata.PackageNotFoundError:
        yield Finding("environment", False, f"no Airflow in {sys.prefix}", "run make install")
    else:
        yield Finding("environment", True, found)


def memory(settings: Settings) -> Iterator[Finding]:
    """The memory of the machine, or of the container."""
    wanted = COMMAND_MEMORY_GB if settings.airflow_url else MEMORY_GB
    size = psutil.virtual_memory().total
    limit = Path("/sys/fs/cgroup/memory.max")  # a container's own
    if limit.exists() and (text := limit.read_text().strip()).isdigit():
        size = min(size, int(text))
    yield Finding(
        "memory", size >= wanted * 1e9, _gigabytes(size), f"give the machine or container {wanted} GB or more"
    )


def disk(settings: Settings) -> Iterator[Finding]:
    """The free space where the home folder is or will be."""
    free = shutil.disk_usage(_existing(settings.home)).free
    remedy = f"make room, or point {variable('home')} at a disk with {DISK_GB} GB"
    yield Finding("disk space", free >= DISK_GB * 1e9, f"{_gigabytes(free)} free under {settings.home}", remedy)


def home(settings: Settings) -> Iterator[Finding]:
    """Whether the home folder can be written."""
    yield writable("home folder", settings.home, "home")


def writable(name: str, folder: Path, setting: str) -> Finding:
    """Whether a folder can be written, or made; `setting` points it elsewhere.

    Args:
        name: what is looked at.
        folder: the folder; it need not exist.
        setting: name of the setting that points it elsewhere.
    """
    parent = _existing(folder)
    try:
        with tempfile.TemporaryFile(dir=parent):
            pass
    except OSError as error:
        remedy = f"make it writable, or point {variable(setting)} elsewhere"
        return Finding(name, False, f"{parent} cannot be written ({error.strerror})", remedy)
    return Finding(name, True, f"{folder}{'' if folder.exists() else ', made by the first run'}")


def _existing(path: Path) -> Path:
    """The path, or the nearest folder above it that exists."""
    return next(folder for folder in (path, *path.parents) if folder.exists())


def _gigabytes(size: float) -> str:
    return f"{size / 1e9:.1f} GB"
