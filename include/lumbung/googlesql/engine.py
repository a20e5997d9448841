"""GoogleSQL's engine in this process: WebAssembly, called with protocol buffers. One instance, one call at a time."""

from __future__ import annotations

import atexit
import ctypes
import functools
import importlib
import importlib.resources
import re
import threading
from pathlib import Path
from typing import Any

from lumbung.googlesql import compiled
from lumbung.googlesql.errors import (
    GoogleSqlError,
    MissingEngineError,
    NotJudgedError,
    UnimplementedError,
    UnknownFunctionError,
)

NEEDED = ("wasmtime", "zetasql.wasi", "tzdata")
UNIMPLEMENTED = 12
# How the engine writes an error, and where GoogleSQL's message names a position.
FAILURE = re.compile(r"Code: (\d+), Message: (.*)", re.DOTALL)
UNKNOWN_FUNCTION = re.compile(r"(?:Aggregate f|Table-valued f|F)unction not found: ([\w.`-]+)")
# Functions that only BigQuery has.
LACKING = {
    *("MAX_BY", "MIN_BY", "CONTAINS_SUBSTR", "SEARCH", "VECTOR_SEARCH"),
    *("GAP_FILL", "RANGE_SESSIONIZE", "APPENDS", "CHANGES", "EXTERNAL_QUERY", "EXTERNAL_OBJECT_TRANSFORM"),
    *("COLLATE", "TEXT_ANALYZE", "BAG_OF_WORDS", "TF_IDF", "ST_REGIONSTATS"),
    *("DLP_DETERMINISTIC_ENCRYPT", "DLP_DETERMINISTIC_DECRYPT", "DLP_KEY_CHAIN"),
}
SYSTEM_VARIABLE = "Unrecognized name: @@"
TOO_DEEP = "Out of stack space"
POSITION = re.compile(r"\s*\[at (\d+):(\d+)\]\s*$")


class Engine:
    """The engine, ready for calls. Starting takes 0.3 s of CPU and 90 MB once the compiled form is kept.

    Attributes:
        starts: how often it was started: what was registered before the last start is forgotten.

    Raises:
        MissingEngineError: its packages are not installed, or there are none for this machine.
    """

    def __init__(self) -> None:
        try:
            for name in NEEDED:
                importlib.import_module(name)
        except (ImportError, OSError, RuntimeError) as error:  # wasmtime: RuntimeError where it has no library
            raise MissingEngineError(f"GoogleSQL's engine cannot be used here ({error})") from error
        import wasmtime

        self._lock = threading.Lock()
        self._wasm = wasmtime.Engine(compiled.configuration())
        source = Path(str(importlib.resources.files("zetasql.wasi") / "zetasql.wasm"))
        self._module = compiled.module(self._wasm, source)
        self.starts = 0
        self._start()

    def call(self, method: str, request: Any, response: Any) -> Any:
        """Call a method of GoogleSQL's local service.

        Args:
            method: its name, such as Analyze.
            request: its message.
            response: the class of the message that it answers with.

        Raises:
            GoogleSqlError: it refuses.
            NotJudgedError: it fails itself, as it does on an expression of some 200 levels.
        """
        import wasmtime

        data = request.SerializeToString()
        with self._lock:
            try:
                content = self._answer(method, data)
            except wasmtime.Trap as trap:
                self._start()  # a trap leaves its stack in use: after a few, nothing would fit
                cause = trap.message.strip().splitlines()[-1].strip()
                raise NotJudgedError(f"GoogleSQL's engine failed ({cause})") from trap
        return _decoded(content, response)

    def _start(self) -> None:
        import wasmtime

        wasi = wasmtime.WasiConfig()
        wasi.inherit_stderr()
        wasi.preopen_dir(str(importlib.resources.files("tzdata") / "zoneinfo"), "/usr/share/zoneinfo")
        self._store = wasmtime.Store(self._wasm)
        self._store.set_wasi(wasi)
        linker = wasmtime.Linker(self._wasm)
        linker.define_wasi()
        self._exports: Any = linker.instantiate(self._store, self._module).exports(self._store)
        self._run("_initialize")
        self.starts += 1

    def _answer(self, method: str, data: bytes) -> bytes:
        start = self._run("wasm_malloc", max(1, len(data)))
        size = self._run("wasm_malloc", ctypes.sizeof(ctypes.c_uint32))
        ctypes.memmove(self._address(start), data, len(data))
        answer = self._run(f"ZetaSqlLocalService_{method}", start, len(data), size)
        if answer:
            content = self._read(answer, int.from_bytes(self._read(size, 4), "little"))
            self._run("wasm_free", answer)
        else:
            content = self._read(self._run("wasm_get_last_error"), self._run("wasm_get_last_error_size"))
        self._run("wasm_free", start)
        self._run("wasm_free", size)
        if not answer:
            raise _refusal(content.decode())
        return content

    def _run(self, function: str, *arguments: int) -> int:
        result: int = self._exports[function](self._store, *arguments)
        return result

    def _address(self, pointer: int) -> int:
        # Asked for each time: the memory may have grown and moved.
        base = ctypes.cast(self._exports["memory"].data_ptr(), ctypes.c_void_p).value
        return (base or 0) + pointer

    def _read(self, pointer: int, size: int) -> bytes:
        return ctypes.string_at(self._address(pointer), size)


@functools.lru_cache(maxsize=1)
def shared() -> Engine:
    """The one engine of this process, started when it is first asked for.

    Raises:
        MissingEngineError: as `Engine`.
    """
    atexit.register(shared.cache_clear)  # wasmtime cannot free what is still there when its modules are gone
    return Engine()


def _decoded(content: bytes, response: Any) -> Any:
    """The message; one of more than 100 levels, as of 25 operands, is beyond what protobuf reads unasked."""
    from google.protobuf.message import DecodeError

    try:
        return response.FromString(content)
    except DecodeError as error:
        try:
            allow: Any = importlib.import_module("google._upb._message").SetAllowOversizeProtos
        except (ImportError, AttributeError):
            raise NotJudgedError("too deep for this version of protobuf") from error
    allow(True)
    try:
        return response.FromString(content)
    finally:
        allow(False)


def _refusal(text: str) -> GoogleSqlError:
    code, message = FAILURE.fullmatch(text).groups() if FAILURE.fullmatch(text) else ("", text)  # type: ignore[union-attr]
    position = POSITION.search(message)
    line, column = map(int, position.groups()) if position else (0, 0)
    kind = UnimplementedError if code == str(UNIMPLEMENTED) else GoogleSqlError
    function = UNKNOWN_FUNCTION.match(message)
    # A routine of a data set has a dot.
    if function and ("." in function[1] or function[1].strip("`").upper() in LACKING):
        kind = UnknownFunctionError
    if message.startswith((TOO_DEEP, SYSTEM_VARIABLE)):
        kind = NotJudgedError
    return kind(POSITION.sub("", message), line, column)
