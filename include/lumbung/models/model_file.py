"""The file of a model: all that predictions need, as arrays without pickle; the same model gives the same bytes."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lumbung.core.errors import LumbungError
from lumbung.models.labels import Labels

FORMAT = 1
HEADER = "header"
# The .json says that the model is trained: while it is there, no run trains it.
TRAIN_AGAIN = "delete it and the .json beside it, then train it again: lumbung models run"

RECOMMENDATION, CLUSTERING, COMPLETION, RATING = "recommendation", "clustering", "completion", "rating"
KINDS = (RECOMMENDATION, CLUSTERING, COMPLETION, RATING)

# No number of a model is larger: predictions stay finite also in float32.
LARGEST = 1e9
# Features before one for each device.
NUMERIC_FEATURES = ("minutes", "hour_sin", "hour_cos", "rating")
_SCALER: dict[str, tuple[str | int, ...]] = {"feature_mean": ("features",), "feature_scale": ("features",)}
# The arrays of each kind, and what their dimensions count.
SHAPES: dict[str, dict[str, tuple[str | int, ...]]] = {
    RECOMMENDATION: {
        "course_factors": ("courses", "rank"),
        "course_prior": ("courses",),
        "popularity": ("courses",),
        "student_factors": ("students", "rank"),
        "seen_ends": ("students",),
        "seen_courses": ("seen",),
        "fold_in": (4,),
        "strength_by_rating": (5,),
    },
    CLUSTERING: {"cluster_centres": ("clusters", "features"), **_SCALER},
    COMPLETION: {
        "completion_weights": ("features",),
        "completion_bias": (),
        "completion_threshold": (),
        "completion_base": (),
        **_SCALER,
    },
    RATING: {
        "rating_mean": (),
        "rating_student_bias": ("students",),
        "rating_course_bias": ("courses",),
        "rating_student_factors": ("students", "rating rank"),
        "rating_course_factors": ("courses", "rating rank"),
    },
}
_WHOLE_NUMBERS = ("seen_ends", "seen_courses")
# What zipfile, numpy and pydantic (a ValueError) raise for bytes that are no model file.
_BROKEN = (
    ValueError,
    OSError,
    EOFError,
    KeyError,
    MemoryError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    SyntaxError,
    TypeError,
    struct.error,
    zipfile.BadZipFile,
)


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
        LumbungError: it is not a whole model file of this release, or its arrays do not fit each other: a model that is
            read can be served.
    """
    from pydantic import TypeAdapter  # here, as Spark workers have none: they only write

    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        fields = json.loads(arrays.pop(HEADER).tobytes())
        given = fields["format"]
        header = TypeAdapter(Header).validate_python(asdict(Header(**fields))) if given == FORMAT else None
    except _BROKEN as error:
        raise LumbungError("this is not a whole model file", where=where, remedy=TRAIN_AGAIN) from error
    if header is None:
        raise LumbungError(
            f"the model file has format {given}, and this release reads {FORMAT}",
            where=where,
            remedy=TRAIN_AGAIN,
        )
    model = Model(header, arrays)
    fault = next(_faults(model), None)
    if fault:
        raise LumbungError(
            f"the model file contradicts itself: {fault}",
            where=where,
            remedy=TRAIN_AGAIN,
        )
    return model


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


def _faults(model: Model) -> Iterator[str]:
    """Why the model could not be served, in words."""
    header, arrays = model.header, model.arrays
    if len(set(header.kinds)) < len(header.kinds) or not set(header.kinds) <= set(KINDS):
        yield f"its kinds are {', '.join(header.kinds)}"
    if len(set(header.devices)) < len(header.devices):
        yield "a device is named twice"
    sizes: dict[str, int] = {"features": len(NUMERIC_FEATURES) + len(header.devices)}
    for name, counted in (("course_ids", "courses"), ("student_ids", "students")):
        yield from _label_faults(name, arrays)
        sizes[counted] = len(arrays[f"{name}_ends"])
    for kind in header.kinds:
        for name, dimensions in SHAPES[kind].items():
            yield from _array_faults(name, dimensions, arrays, sizes)
    if RECOMMENDATION in header.kinds:
        yield from _recommendation_faults(arrays)
    if "feature_scale" in arrays and not (arrays["feature_scale"] > 1 / LARGEST).all():
        yield "feature_scale is not positive"
    if CLUSTERING in header.kinds and not sizes["clusters"]:
        yield "there are no clusters"
    if COMPLETION in header.kinds:
        for name in ("completion_threshold", "completion_base"):
            if not 0 <= float(arrays[name]) <= 1:
                yield f"{name} is not a probability"


def _label_faults(name: str, arrays: dict[str, np.ndarray[Any, Any]]) -> Iterator[str]:
    content, ends = arrays.get(f"{name}_bytes"), arrays.get(f"{name}_ends")
    if content is None or content.dtype != np.uint8 or ends is None or ends.dtype != np.int64 or ends.ndim != 1:
        yield f"it has no {name}"
    elif not _ends_fit(ends, len(content)):
        yield f"the ends of {name} do not fit its bytes"
    else:
        labels = Labels(name, arrays)
        try:
            list(labels)
        except UnicodeDecodeError:
            yield f"{name} are no texts"
        if not labels.sorted_and_distinct():
            yield f"{name} are not sorted, or not distinct"


def _array_faults(
    name: str, dimensions: tuple[str | int, ...], arrays: dict[str, np.ndarray[Any, Any]], sizes: dict[str, int]
) -> Iterator[str]:
    """What is wrong with an array; a size that is not known yet is what this array says."""
    array = arrays.get(name)
    if array is None:
        yield f"it has no {name}"
        return
    if not np.issubdtype(array.dtype, np.integer if name in _WHOLE_NUMBERS else np.floating):
        yield f"{name} is of {array.dtype}"
    elif not (np.abs(array) <= LARGEST).all():  # false for NaN, too
        yield f"{name} has a number that is not finite, or too large"
    if array.ndim != len(dimensions):
        yield f"{name} has {array.ndim} dimensions, not {len(dimensions)}"
        return
    for size, dimension in zip(array.shape, dimensions, strict=True):
        expected = dimension if isinstance(dimension, int) else sizes.setdefault(dimension, size)
        if size != expected:
            yield f"{name} has {size} {dimension}, not {expected}"


def _recommendation_faults(arrays: dict[str, np.ndarray[Any, Any]]) -> Iterator[str]:
    ends, seen, courses = arrays["seen_ends"], arrays["seen_courses"], len(arrays["course_factors"])
    if not _ends_fit(ends, len(seen)):
        yield "seen_ends do not fit seen_courses"
    elif len(seen):
        first = np.zeros(len(seen), bool)
        first[np.append(0, ends[ends < len(seen)])] = True
        if seen.min() < 0 or seen.max() >= courses or not ((np.diff(seen) > 0) | first[1:]).all():
            yield "seen_courses are not sorted courses of each student"
    alpha, constant, per_weight, per_entry = arrays["fold_in"].tolist()
    strength = arrays["strength_by_rating"].min()
    if min(arrays["fold_in"]) < 0 or strength <= 0 or constant + per_weight * alpha * strength + per_entry <= 0:
        yield "fold_in gives no positive ridge"


def _ends_fit(ends: np.ndarray[Any, Any], length: int) -> bool:
    """Whether they are where parts of so many elements end."""
    return bool((np.diff(ends, prepend=0) >= 0).all() and (ends[-1] if len(ends) else 0) == length)
