"""The OpenAPI document, made of the tables of paths and the types of bodies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from lumbung.serving.api import metrics, problems
from lumbung.serving.api.bodies import Health, Readiness, Taste
from lumbung.serving.api.functions import FUNCTIONS
from lumbung.serving.api.routes import READS

# Of the API, whose paths begin with its first number; what is installed may have none, as in the image.
VERSION = "1.0.0"
REF = "#/components/schemas/{name}"
JSON, HTML = "application/json", "text/html; charset=utf-8"
KEY = ("unauthenticated", "too-many-requests")
FUNCTION = (
    "not-json",
    *KEY,
    "model-not-found",
    "model-pruned",
    "too-large",
    "invalid-input",
    "not-ready",
)
ID = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "a model, such as b-2, or the newest of a scheme: a-latest, b-latest",
    "schema": {"type": "string", "examples": ["b-latest"]},
}


def document() -> dict[str, Any]:
    """The document: OpenAPI 3.1."""
    types: list[type[msgspec.Struct]] = [Health, Readiness, problems.Document]
    types += [described for function in FUNCTIONS.values() for described in (function.body, function.answer)]
    types += [read.answer for read in READS.values()]
    _, schemas = msgspec.json.schema_components(types, ref_template=REF)
    schemas[Taste.__name__]["oneOf"] = [{"required": ["ratings"]}, {"required": ["student_id"]}]
    schemas["Problem"] = schemas.pop(problems.Document.__name__)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Lumbung: models of course activity",
            "version": VERSION,
            "description": "Every model of the stream, by batch and scheme, has a path for each of its functions. "
            "An answer names the model and the release that it is by.",
        },
        "security": [{"key": []}],
        "paths": {path: {method: operation} for path, method, operation in _operations()},
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": schemas,
        },
    }


def _operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, function in FUNCTIONS.items():
        kinds: tuple[str, ...] = (
            (*FUNCTION, "course-unknown") if "course_id" in function.body.__struct_fields__ else FUNCTION
        )
        operation = {
            "operationId": path.rpartition("/")[2],
            "summary": function.summary,
            "tags": ["models"],
            "parameters": [ID],
            "requestBody": {
                "required": True,
                "content": {JSON: {"schema": _ref(function.body), "example": function.example}},
            },
            "responses": _responses(kinds, {JSON: {"schema": _ref(function.answer)}}),
        }
        yield path, "post", operation
    for path, read in READS.items():
        query = [
            {
                "name": name,
                "in": "query",
                "required": True,
                "description": "a model's id",
                "schema": {"type": "string", "examples": ["b-latest"]},
            }
            for name in read.query
        ]
        kinds = (*KEY, "not-ready")
        kinds += ("model-not-found",) if query or "{id}" in path else ()
        kinds += ("invalid-input",) if query else ()
        operation = {
            "summary": read.summary,
            "tags": ["releases"],
            "parameters": [*([ID] if "{id}" in path else []), *query],
            "responses": _responses(kinds, {JSON: {"schema": _ref(read.answer)}}),
        }
        yield path, "get", operation
    pages: list[tuple[str, str, str, dict[str, str], tuple[str, ...]]] = [
        ("/healthz", "Whether the process answers", JSON, _ref(Health), ()),
        ("/readyz", "Whether a release is served", JSON, _ref(Readiness), ("not-ready",)),
        ("/metrics", "Counters for Prometheus", metrics.MEDIA, {"type": "string"}, KEY),
        ("/openapi.json", "This document", JSON, {"type": "object"}, KEY),
        ("/docs", "This document as a page", HTML, {"type": "string"}, KEY),
        ("/", "A page to try each function; it holds no data", HTML, {"type": "string"}, ()),
    ]
    for path, summary, media, schema, kinds in pages:
        operation = {
            "summary": summary,
            "tags": ["server"],
            "responses": _responses(kinds, {media: {"schema": schema}}),
        }
        if "unauthenticated" not in kinds:
            operation["security"] = []
        yield path, "get", operation


def _responses(kinds: Iterable[str], content: dict[str, Any]) -> dict[str, Any]:
    """The answers of a path: that which it is for, and its problems by their status."""
    by_status: dict[int, list[str]] = {}
    for kind in (*kinds, "internal"):
        by_status.setdefault(problems.KINDS[kind][0], []).append(kind)
    responses: dict[str, Any] = {"200": {"description": "The answer", "content": content}}
    for status, same in sorted(by_status.items()):
        schema = {"$ref": REF.format(name="Problem")}
        responses[str(status)] = {
            "description": "; ".join(f"{kind}: {problems.KINDS[kind][1]}" for kind in same),
            "content": {problems.MEDIA: {"schema": schema}},
        }
    return responses


def _ref(kind: type) -> dict[str, str]:
    return {"$ref": REF.format(name=kind.__name__)}
