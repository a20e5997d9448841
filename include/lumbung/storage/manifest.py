"""Documents of the lake that name data files, and manifests: documents written once more for each generation.

A manifest is written after the files that it names, and created only if absent: a killed writer leaves nothing that a
reader sees, and two writers never take the same generation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from pydantic import BaseModel, ConfigDict

from lumbung.storage.lake import Lake

MANIFEST = re.compile(r"^manifest-(\d{6})\.json$")


class Document(BaseModel):
    """A JSON document of the lake."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Manifest(Document):
    """A document that is written once more for each generation."""

    generation: int


class DataFile(Document):
    """A data file, Parquet where nothing else is said: path in the lake, rows, bytes and checksum."""

    path: str
    rows: int
    bytes: int
    sha256: str


def are_there(lake: Lake, folder: str, files: Iterable[DataFile | None]) -> bool:
    """Whether files that a document names are in the lake still: someone may have deleted them.

    Args:
        lake: the lake.
        folder: where they lie.
        files: the files; None stands for one that was never written.
    """
    stored = {file.path: file.bytes for file in lake.files(folder)}
    return all(stored.get(file.path) == file.bytes for file in files if file)


def manifests[D: Manifest](lake: Lake, where: str, model: type[D]) -> Iterator[D]:
    """The manifests of a folder, the highest generation first.

    Args:
        lake: the lake.
        where: the folder.
        model: what they are.
    """
    for name in reversed(lake.names(where)):
        if MANIFEST.match(name) and (content := lake.read(f"{where}/{name}")):
            yield model.model_validate_json(content)


def newest[D: Manifest](lake: Lake, where: str, model: type[D], wanted: Callable[[D], bool]) -> D | None:
    """The manifest of the highest generation that is wanted.

    Args:
        lake: the lake.
        where: the manifests' folder.
        model: what they are.
        wanted: which will do.
    """
    return next(filter(wanted, manifests(lake, where, model)), None)


def commit[D: Manifest](lake: Lake, where: str, make: Callable[[int], D]) -> D:
    """Write a manifest under the next free generation.

    Args:
        lake: the lake.
        where: the manifests' folder.
        make: gives the document for a generation; called again when another process took that generation first.
    """
    while True:
        taken = [int(found[1]) for name in lake.names(where) if (found := MANIFEST.match(name))]
        document = make(max(taken, default=0) + 1)
        if lake.create(f"{where}/manifest-{document.generation:06}.json", document.model_dump_json(indent=2).encode()):
            return document
