"""The errors of the API, as `application/problem+json` (RFC 9457): each type is stable and has one status."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

MEDIA = "application/problem+json"
TYPE = "urn:lumbung:problem:"

KINDS = {
    "not-json": (400, "The body is not JSON"),
    "unauthenticated": (401, "A key is needed"),
    "not-found": (404, "There is no such path"),
    "model-not-found": (404, "There is no such model"),
    "course-unknown": (404, "The model does not know the course"),
    "method-not-allowed": (405, "The path does not take this method"),
    "model-pruned": (410, "The model was deleted"),
    "too-large": (413, "The body is too large"),
    "invalid-input": (422, "The input is not valid"),
    "too-many-requests": (429, "Too many requests"),
    "internal": (500, "The server failed"),
    "not-ready": (503, "No model is ready"),
}


class Fault(msgspec.Struct, frozen=True):
    """What is wrong with one value of the input."""

    pointer: str
    """JSON pointer (RFC 6901) to the value; of a query, as if its parameters were an object."""
    detail: str


class Document(msgspec.Struct, frozen=True, omit_defaults=True):
    """An error."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[Fault] = []


class Problem(Exception):  # noqa: N818 - RFC 9457's word
    """An answer that is an error.

    Args:
        kind: one of `KINDS`.
        detail: what happened and what to do, for a person.
        errors: what is wrong with the input.
        headers: of the answer.
    """

    def __init__(
        self, kind: str, detail: str, *, errors: Sequence[Fault] = (), headers: Sequence[tuple[bytes, bytes]] = ()
    ) -> None:
        super().__init__(kind, detail)
        self.kind, self.headers = kind, headers
        self.status, title = KINDS[kind]
        self.document = Document(TYPE + kind, title, self.status, detail, list(errors))
