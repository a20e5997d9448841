"""Google's APIs as their discovery documents have them, and what of a request is against them.

The documents come with google-api-python-client, which Airflow's Google provider needs. They name every method, each
of its parameters, and every field of what is sent; they do not say which fields a method needs, nor what values mean.
"""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import unquote

# JSON of 64-bit integers is text, as JavaScript's numbers are too small for them.
FORMATS = {
    "int64": r"-?\d+",
    "uint64": r"\d+",
    "byte": r"[A-Za-z0-9+/_-]*={0,2}",
    "date-time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)",
    "google-datetime": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z",
    "google-duration": r"-?\d+(\.\d{1,9})?s",
}
TYPES = {"string": str, "boolean": bool, "integer": int, "number": (int, float), "object": dict, "array": list}
# Of uploads, which the documents describe by their protocols only.
UPLOAD_PARAMETERS = {"upload_id", "uploadType"}
# What Google's own client sends of itself: `projection` is a parameter of bigquery.jobs.list.
OF_THE_CLIENT = {("bigquery.jobs.get", "projection"), ("bigquery.jobs.cancel", "projection")}


class Api:
    """One API.

    Args:
        name: the document's name, such as `bigquery.v2`.
    """

    def __init__(self, name: str) -> None:
        content = files("googleapiclient").joinpath(f"discovery_cache/documents/{name}.json").read_text("utf-8")
        self.document: dict[str, Any] = json.loads(content)
        self.methods = {method["id"]: method for method in _methods(self.document)}
        self._paths = [
            (method["httpMethod"], re.compile(pattern), method)
            for method in self.methods.values()
            for pattern in _patterns(self.document, method)
        ]

    def faults(self, verb: str, path: str, query: Mapping[str, str], body: Any) -> Iterator[str]:
        """What of an HTTP request is not in the document.

        Args:
            verb: the HTTP method.
            path: the path as it was sent.
            query: the query's parameters.
            body: the JSON sent; None: there is none.
        """
        if "upload_id" in query:  # the documents name only the request that begins an upload
            verb = "POST"
        for known, pattern, method in self._paths:
            if known == verb and (match := pattern.fullmatch(path)):
                values = [unquote(value) for value in match.groups()]
                names = method["parameterOrder"]
                # A flat path takes a name such as projects/p/locations/l apart.
                given = dict(zip(names, values, strict=False)) if len(names) == len(values) else {}
                yield from self.call_faults(method["id"], {**given, **query}, body)
                return
        yield f"no method {verb} {path}"

    def call_faults(self, method_id: str, parameters: Mapping[str, Any], body: Any) -> Iterator[str]:
        """What of a call is not in the document.

        Args:
            method_id: the method, such as `bigquery.jobs.insert`.
            parameters: those of path and query.
            body: the JSON sent.
        """
        method = self.methods[method_id]
        known = {**self.document.get("parameters", {}), **method.get("parameters", {})}
        for name, value in parameters.items():
            if name not in known:
                if name not in UPLOAD_PARAMETERS and (method_id, name) not in OF_THE_CLIENT:
                    yield f"{method_id}: no parameter {name}"
            else:
                yield from self._text_faults(known[name], str(value), f"{method_id}: {name}")
        if body is None:
            return
        if "request" not in method:
            yield f"{method_id} takes no body"
        else:
            yield from self._value_faults(method["request"], body, method["request"]["$ref"])

    def _value_faults(self, schema: dict[str, Any], value: Any, where: str) -> Iterator[str]:
        schema = self.document["schemas"][schema["$ref"]] if "$ref" in schema else schema
        kind = schema["type"]
        if kind == "any":
            return
        if value is None:  # in a patch it deletes; elsewhere what is not said need not be sent
            yield f"{where}: null"
        elif not isinstance(value, TYPES[kind]) or (kind in ("integer", "number") and isinstance(value, bool)):
            yield f"{where}: {value!r} is no {kind}"
        elif kind == "object":
            properties, others = schema.get("properties", {}), schema.get("additionalProperties")
            for name, member in value.items():
                if name in properties:
                    yield from self._value_faults(properties[name], member, f"{where}.{name}")
                elif others:
                    yield from self._value_faults(others, member, f"{where}.{name}")
                else:
                    yield f"{where}: no field {name}"
        elif kind == "array":
            for number, member in enumerate(value):
                yield from self._value_faults(schema["items"], member, f"{where}[{number}]")
        elif kind == "string":
            yield from self._text_faults(schema, value, where)

    def _text_faults(self, schema: dict[str, Any], text: str, where: str) -> Iterator[str]:
        if "enum" in schema and text not in schema["enum"]:
            yield f"{where}: {text!r} is none of {', '.join(schema['enum'])}"
        pattern = schema.get("pattern") or FORMATS.get(schema.get("format", ""))
        if pattern and not re.search(pattern if "pattern" in schema else f"^({pattern})$", text):
            yield f"{where}: {text!r} is no {schema.get('format', pattern)}"


@cache
def api(name: str) -> Api:
    """The API of a document, such as `bigquery.v2`; read once."""
    return Api(name)


def _methods(resource: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from resource.get("methods", {}).values()
    for inner in resource.get("resources", {}).values():
        yield from _methods(inner)


def _patterns(document: dict[str, Any], method: dict[str, Any]) -> Iterator[str]:
    """The paths of a method, with a group for each variable: plain, of uploads and of downloads."""
    plain = "/" + document["servicePath"] + method.get("flatPath", method["path"])
    uploads = [protocol["path"] for protocol in method.get("mediaUpload", {}).get("protocols", {}).values()]
    downloads = [f"/download{plain}"] if method.get("useMediaDownloadService") else []
    for path in (plain, *uploads, *downloads):
        yield re.sub(r"\\\{.+?\\\}", "([^/]+)", re.escape(path))
