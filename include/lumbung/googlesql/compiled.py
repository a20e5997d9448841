"""The compiled form of GoogleSQL's engine, kept between starts: compiling takes 20 s of CPU and 1 GB, loading 1 ms."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import wasmtime

DIGEST = 16
"""How many hexadecimal digits of a checksum a file's name has."""


def folder() -> Path:
    """Where compiled forms are kept: in the user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lumbung" / "googlesql"


def module(engine: wasmtime.Engine, source: Path) -> wasmtime.Module:
    """The engine's module: from the cache, else compiled and put there.

    A compiled form is native code, so it is taken only from a folder that nobody else can write. Its name has the
    checksum of the source and of itself, wasmtime's version and the kind of machine: what is corrupt, or was made from
    or for something else, is compiled again. Processes may do so at the same time.

    Args:
        engine: wasmtime's.
        source: the WebAssembly file.
    """
    import wasmtime

    made_for = (_digest(source.read_bytes()), version("wasmtime"), platform.system(), platform.machine())
    prefix = "-".join(made_for).lower()
    if _is_private(folder()):
        for path in sorted(folder().glob(f"{prefix}-*.cwasm")):
            with contextlib.suppress(OSError, wasmtime.WasmtimeError):
                if path.stem.rpartition("-")[2] == _digest(path.read_bytes()):
                    return wasmtime.Module.deserialize_file(engine, str(path))
            with contextlib.suppress(OSError):
                path.unlink()
    content = _compile(source)
    with contextlib.suppress(OSError):  # a full or read-only disk: the next start compiles again
        _keep(content, prefix)
    return wasmtime.Module.deserialize(engine, content)


def configuration() -> wasmtime.Config:
    """How the engine is compiled and run."""
    import wasmtime

    made = wasmtime.Config()
    made.shared_memory = True
    return made


def _compile(source: Path) -> bytes:
    """Compile for any processor of this kind, not only for this one: images and home folders are taken elsewhere."""
    import wasmtime

    portable = configuration()
    if platform.system() == "Linux":
        portable.target = f"{platform.machine()}-unknown-linux-gnu"
    return bytes(wasmtime.Module.from_file(wasmtime.Engine(portable), str(source)).serialize())


def _keep(content: bytes, prefix: str) -> None:
    folder().parent.mkdir(parents=True, exist_ok=True)
    folder().mkdir(mode=0o700, exist_ok=True)
    if not _is_private(folder()):
        return
    # Under a name of its own first, and on the disk before it gets its name: nobody ever loads a part of it.
    with tempfile.NamedTemporaryFile(dir=folder(), delete=False) as file:
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).replace(folder() / f"{prefix}-{_digest(content)}.cwasm")
        except OSError:
            Path(file.name).unlink()
            raise


def _is_private(path: Path) -> bool:
    """Whether only this user, or the administrator, can write a folder."""
    if os.name == "nt":  # a user's profile is their own there, and mode bits say nothing
        return path.is_dir()
    try:
        status = path.stat()
    except OSError:
        return False
    return status.st_uid in (0, os.geteuid()) and not status.st_mode & 0o022


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:DIGEST]
