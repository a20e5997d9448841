"""The file of a model: all that predictions need, as arrays without pickle; the same model gives the same bytes."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lumbung.core.errors import LumbungError

FORMAT = 1
HEADER = "header"

RECOMMENDATION, CLUSTERING, COMPLETION, RATING = "recommendation", "clustering", "completion", "rating"
KINDS = (RECOMMENDATION, CLUSTERING, COMPLETION, RATING)


@dataclass(frozen=True)
class Header:
    """What a model is; a plain dataclass, as a Spark worker has no pydantic.

    Attributes:
        trainer: what trained it: `arrow` or `mllib`.
        code: the trainer's version.
        parameters: of the training.
        batches: sha256 of each batch's file, in order.
        rows: rows it was trained on.
        kinds: which of `KINDS` it has; a kind whose columns the data lacks is left out.
        devices: labels of the device features, in their order.
        format: of the file.
    """

    trainer: str
    code: int
    parameters: dict[str, float]
    batches: list[str]
    rows: int
    kinds: list[str]
    devices: list[str]
    format: int = FORMAT


@dataclass(frozen=True)
class Model:
    """A trained model.

    Attributes:
        header: what it is.
        arrays: its numbers by name; texts as `pack` makes them.
    """

    header: Header
    arrays: dict[str, np.ndarray[Any, Any]]


def write(model: Model) -> bytes:
    """The content of a model's file."""
    header = np.frombuffer(json.dumps(asdict(model.header)).encode(), np.uint8)
    sink = io.BytesIO()
    arrays = {HEADER: header} | {name: model.arrays[name] for name in sorted(model.arrays)}
    np.savez(sink, allow_pickle=False, **arrays)
    return sink.getvalue()


def read(content: bytes, where: str) -> Model:
    """A model from its file's content.

    Args:
        content: of the file.
        where: the file, for the error.

    Raises:
        LumbungError: it is not a whole model file of this release.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        fields = json.loads(arrays.pop(HEADER).tobytes())
        given = fields["format"]
        header = Header(**fields) if given == FORMAT else None
    except (ValueError, OSError, EOFError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise LumbungError(
            "this is not a whole model file", where=where, remedy="train the model again: lumbung models train"
        ) from error
    if header is None:
        raise LumbungError(
            f"the model file has format {given}, and this release reads {FORMAT}",
            where=where,
            remedy="train the model again: lumbung models train",
        )
    return Model(header, arrays)


def pack(name: str, texts: Iterable[str]) -> dict[str, np.ndarray[Any, Any]]:
    """Texts as two arrays: `<name>_bytes` (UTF-8, one after another) and `<name>_ends` (where each ends)."""
    encoded = [text.encode() for text in texts]
    ends = np.cumsum([len(text) for text in encoded], dtype=np.int64)
    return {f"{name}_bytes": np.frombuffer(b"".join(encoded), np.uint8), f"{name}_ends": ends}


def unpack(name: str, arrays: dict[str, np.ndarray[Any, Any]]) -> list[str]:
    """The texts that `pack` made arrays of."""
    content, ends = arrays[f"{name}_bytes"].tobytes(), arrays[f"{name}_ends"].tolist()
    starts: Sequence[int] = [0, *ends[:-1]] if ends else []
    return [content[start:end].decode() for start, end in zip(starts, ends, strict=True)]
