"""The pages of the API: one to try each function, one of its document; no data, nothing from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

from lumbung.core.policy import content_policy, inside
from lumbung.serving.api.functions import FUNCTIONS
from lumbung.serving.api.routes import READS

FOLDER = Path(__file__).parent
STYLE, SCRIPT = ((FOLDER / f"page.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
POLICY = content_policy(inside(SCRIPT), inside(STYLE), "connect-src 'self'", "frame-ancestors 'none'").encode()


def home() -> bytes:
    """The page to try each function."""
    functions = [(path, function.example) for path, function in FUNCTIONS.items()] + [(path, None) for path in READS]
    page = (FOLDER / "page.html").read_text(encoding="utf-8")
    for name, text in (("style", STYLE), ("functions", json.dumps(functions)), ("script", SCRIPT)):
        page = page.replace(f"{{{{{name}}}}}", text)
    return page.encode()


def docs(document: Mapping[str, Any]) -> bytes:
    """A page of the OpenAPI document."""
    return "\n".join(_docs(document)).encode()


HEAD = (
    '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><link rel="icon" href="data:,">'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
)


def _docs(document: Mapping[str, Any]) -> Iterator[str]:
    title, description = (escape(document["info"][name]) for name in ("title", "description"))
    yield f"{HEAD}<title>{title}</title><style>{STYLE}</style></head><body><main>"
    yield f"<h1>{title}</h1><p>{description}</p><p>Send a key: <code>Authorization: Bearer KEY</code></p>"
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f'<h2><span class="method">{method.upper()}</span> <code>{escape(path)}</code></h2>'
            yield f"<p>{escape(operation['summary'])}</p>"
            for parameter in operation.get("parameters", ()):
                yield f"<p><code>{escape(parameter['name'])}</code>: {escape(parameter['description'])}</p>"
            if "requestBody" in operation:
                content = operation["requestBody"]["content"]["application/json"]
                example = escape(json.dumps(content["example"], indent=2))
                yield f"<p>Body: {_link(content['schema'])}</p><pre>{example}</pre>"
            yield "<table>"
            for status, response in operation["responses"].items():
                kinds = ", ".join(_link(content["schema"]) for content in response["content"].values())
                yield f"<tr><td>{status}</td><td>{escape(response['description'])}</td><td>{kinds}</td></tr>"
            yield "</table>"
    yield "<h2>Types</h2>"
    for name, schema in document["components"]["schemas"].items():
        yield f'<h3 id="{name}">{name}</h3><p>{escape(schema.get("description", ""))}</p><table>'
        for field, described in schema.get("properties", {}).items():
            required = "" if field in schema.get("required", ()) else "optional"
            text = escape(described.get("description", ""))
            yield f"<tr><td><code>{field}</code></td><td>{_kind(described)}</td><td>{required}</td><td>{text}</td></tr>"
        yield "</table>"
    yield "</main></body></html>"


def _kind(schema: Mapping[str, Any]) -> str:
    """A schema in words."""
    if "$ref" in schema:
        return _link(schema)
    if "anyOf" in schema:
        return " or ".join(_kind(choice) for choice in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(f"<code>{escape(json.dumps(value))}</code>" for value in schema["enum"])
    words = schema.get("type", "anything")
    if "items" in schema:
        words = f"list of {_kind(schema['items'])}"
    limits = [
        f"{sign} {schema[name]:g}"
        for name, sign in (("minimum", "≥"), ("maximum", "≤"), ("maxItems", "at most"), ("maxLength", "length ≤"))
        if name in schema
    ]
    return " ".join([words, *limits])


def _link(schema: Mapping[str, Any]) -> str:
    name = schema.get("$ref", "").rpartition("/")[2]
    return f'<a href="#{name}">{name}</a>' if name else escape(str(schema.get("type", "")))
