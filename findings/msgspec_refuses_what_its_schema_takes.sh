#!/usr/bin/env bash
# msgspec's decoder refuses documents that are valid by the JSON Schema which msgspec makes of the same type.
#
# Expected: `msgspec.json.schema(T)` describes what `msgspec.json.decode(content, type=T)` takes, so that a client that
# keeps to the published schema is understood. What happens: `int` becomes {"type": "integer"}, to which 10.0 and 1e1
# conform (JSON Schema: "any number with a zero fractional part"), and the decoder refuses both, "Expected `int`, got
# `float`". Its message for them is the same as for 10.5, and `strict=False` takes them, but with them "10", a string,
# to which the schema does not conform.
# Besides, invalid UTF-8 in a string raises UnicodeDecodeError, which is neither a msgspec.DecodeError nor a MsgspecError,
# "base class for all Msgspec exceptions" by its docstring; syntax errors raise DecodeError.
# Why it matters: an API that publishes the schema answers a valid request by 422 (clients whose language has one kind of
# number send 10.0), and one that catches DecodeError answers a wrong byte by 500. schemathesis found the first here.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv environment
environment/bin/pip install --quiet --disable-pip-version-check msgspec==0.22.0 jsonschema==4.26.0
cat >check.py <<'PYTHON'
import platform
import sys
from importlib.metadata import version

import jsonschema
import msgspec


class Query(msgspec.Struct):
    limit: int


print("Python", platform.python_version(), "msgspec", version("msgspec"), "jsonschema", version("jsonschema"))
schema, changed = msgspec.json.schema(Query), False
validator = jsonschema.Draft202012Validator(schema)


def outcome(content, strict=True):
    try:
        return "taken" if msgspec.json.decode(content, type=Query, strict=strict) == Query(10) else "other"
    except ValueError as error:
        return f"{type(error).__name__}: {error}"


for content, expected in (
    (b'{"limit": 10}', (True, "taken", "taken")),
    (b'{"limit": 10.0}', (True, "ValidationError", "taken")),
    (b'{"limit": 1e1}', (True, "ValidationError", "taken")),
    (b'{"limit": "10"}', (False, "ValidationError", "taken")),
):
    seen = validator.is_valid(msgspec.json.decode(content)), outcome(content), outcome(content, strict=False)
    print(f"{content.decode():18} by the schema: {seen[0]!s:6} decoder: {seen[1]}; strict=False: {seen[2]}")
    changed |= (seen[0], *(text.partition(":")[0] for text in seen[1:])) != expected

for content, expected in ((b'{"limit": "\xff"}', "UnicodeDecodeError"), (b'{"limit": ', "DecodeError")):
    try:
        msgspec.json.decode(content)
    except ValueError as error:
        print(content, type(error).__name__, "is a MsgspecError:", isinstance(error, msgspec.MsgspecError))
        changed |= type(error).__name__ != expected
sys.exit(changed)
PYTHON
environment/bin/python check.py
