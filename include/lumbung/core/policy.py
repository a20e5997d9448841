"""The Content-Security-Policy of our pages: nothing from elsewhere runs or is loaded, whatever is in the data."""

from __future__ import annotations

import base64
import hashlib

SAME_SERVER = "'self'"
"""The source of a script or style that the page's own server sends."""


def content_policy(script: str, style: str, *more: str) -> str:
    """The policy of a page.

    Args:
        script: where its script comes from: `SAME_SERVER`, or `inside` the page.
        style: where its style comes from.
        more: further directives, such as `frame-ancestors 'none'`, which counts only as a header.
    """
    directives = ("default-src 'none'", f"script-src {script}", f"style-src {style}", "img-src data:")
    return "; ".join((*directives, "base-uri 'none'", "form-action 'none'", *more))


def inside(text: str) -> str:
    """The source of a script or style that is inside a page: its hash."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
