"""The OpenAPI document: schemathesis finds no request that is answered otherwise than it says."""

import os
import subprocess
import sys
from html import escape
from pathlib import Path

from lumbung.serving.api.functions import FUNCTIONS
from lumbung.serving.api.openapi import document
from lumbung.serving.api.problems import KINDS, TYPE
from lumbung.serving.api.routes import READS
from support.model_api import KEY, Server

# A valid request to a model that was deleted is answered by 410, as the document says.
CONFIG = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "404", "410"]
"""
OPTIONS = "--max-examples 15 --generation-deterministic --continue-on-failure --no-shrink"


def test_schemathesis_finds_nothing(api: Server, tmp_path: Path):
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    command = [str(Path(sys.executable).with_name("schemathesis")), "--config-file", "schemathesis.toml"]
    command += ["run", f"{api.url}/openapi.json", "--header", f"Authorization: Bearer {KEY}", *OPTIONS.split()]
    ended = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "NO_COLOR": "1"}, capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 0, ended.stdout[-8000:]
    # All but the path of the document itself, which schemathesis leaves out.
    assert f"Tested: {len(document()['paths']) - 1}" in ended.stdout
    assert "Traceback" not in api.log.read_text()


def test_the_document_is_whole(api: Server):
    described = api.get("/openapi.json").json()
    assert described == document()
    assert described["openapi"].startswith("3.1")
    assert set(described["paths"]) == {
        *FUNCTIONS,
        *READS,
        "/",
        "/docs",
        "/healthz",
        "/metrics",
        "/openapi.json",
        "/readyz",
    }
    open_paths = [path for path, methods in described["paths"].items() if methods.get("get", {}).get("security") == []]
    assert sorted(open_paths) == ["/", "/healthz", "/readyz"]


def test_every_problem_is_described():
    described = {
        words.partition(":")[0]
        for methods in document()["paths"].values()
        for operation in methods.values()
        for response in operation["responses"].values()
        for words in response["description"].split("; ")
    }
    # These two are of requests that the document has not.
    assert set(KINDS) - described == {"not-found", "method-not-allowed"}
    assert TYPE.startswith("urn:")


def test_the_docs_page_holds_the_document(api: Server):
    page = api.get("/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    for path, methods in document()["paths"].items():
        assert path in page.text
        for operation in methods.values():
            assert escape(operation["summary"]) in page.text
    for name in document()["components"]["schemas"]:
        assert f'id="{name}"' in page.text
    for external in ("http://", "https://", "src="):
        assert external not in page.text
