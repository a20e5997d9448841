#!/usr/bin/env bash
# msgspec, decoding into a type, accepts bytes that are not JSON, if they stand in a field that the type leaves out.
#
# Expected: what msgspec decodes is JSON, as its documentation says of its parser; the type decides which fields are kept
# and how they are converted, not whether the text is JSON. So a line that msgspec.json.decode refuses is refused by a
# decoder with a Struct too. What happens: a field or a name that the Struct does not have, and all of a msgspec.Raw, is
# skipped without a look at its bytes or the range of its numbers: bytes that are not UTF-8 pass (RFC 8259 wants UTF-8),
# and so does a number that the same library refuses as out of range. Half of a surrogate pair, control characters and
# bad syntax are refused in skipped fields too, so the check looks complete.
# Why it matters: a service that validates by a Struct and hands the original line, or a Raw, to the next one hands on
# what no JSON parser reads; and the same line counts as good or as bad by which of its fields a release happens to read.
# A reader of datasets here took the first line (decoded as a dict) for bad and a later one of the same bytes for good.
#
# Needs Python 3.9 or later with venv.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check msgspec==0.22.0
cat >try.py <<'PYTHON'
import json
import platform
import sys

import msgspec

print("msgspec", msgspec.__version__, "Python", platform.python_version())


class Row(msgspec.Struct):
    id: int


WAYS = {
    "json": json.loads,
    "msgspec, any": msgspec.json.decode,
    "msgspec, Struct": msgspec.json.Decoder(Row).decode,
    "msgspec, Raw": msgspec.json.Decoder(dict[str, msgspec.Raw]).decode,
}
LINES = {  # what each way makes of it
    b'{"id": 1, "more": "\xff"}': ["refused", "refused", "taken", "taken"],
    b'{"id": 1, "\xff": 1}': ["refused", "refused", "taken", "refused"],
    b'{"id": 1, "more": 1e999}': ["taken", "refused", "taken", "taken"],
    b'{"id": 1, "more": tru}': ["refused"] * 4,
    b'{"id": 1, "more": "\n"}': ["refused"] * 4,
}
changed = False
for line, expected in LINES.items():
    seen = []
    for decode in WAYS.values():
        try:
            decode(line)
        except ValueError:  # both libraries' errors are
            seen.append("refused")
        else:
            seen.append("taken")
    print(line, dict(zip(WAYS, seen)))
    changed |= seen != expected
if changed:
    print("changed: see the table LINES")
sys.exit(changed)
PYTHON
venv/bin/python try.py
