"""The compiled form of GoogleSQL's engine, kept between starts: compiling takes 20 s of CPU and 1.1 GB."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import wasmtime

DIGEST = 16
"""How many hexadecimal digits of a checksum a file's name has."""
UNUSED = 7 * 86400
"""After how many seconds without a start another version's form, of 76 MB, is deleted: checkouts may share a cache."""


def folder() -> Path | None:
    """Where compiled forms are kept: in the user's cache; None where there is neither one nor a home."""
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lumbung" / "googlesql"
    except RuntimeError:  # a user of a container that only has a number
        return None


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
    cache = folder()
    if cache and _is_private(cache):
        for path in sorted(cache.glob(f"{prefix}-*.cwasm")):
            with contextlib.suppress(OSError, wasmtime.WasmtimeError):
                if path.stem.rpartition("-")[2] == _digest(path.read_bytes()):
                    module = wasmtime.Module.deserialize_file(engine, str(path))
                    with contextlib.suppress(OSError):  # it may be the administrator's
                        os.utime(path)
                    return module
            with contextlib.suppress(OSError):
                path.unlink()
    content = _compile(source)
    if cache:
        with contextlib.suppress(OSError):  # a full or read-only disk: the next start compiles again
            _keep(content, cache, prefix)
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


def _keep(content: bytes, cache: Path, prefix: str) -> None:
    cache.parent.mkdir(parents=True, exist_ok=True)
    cache.mkdir(mode=0o700, exist_ok=True)
    if not _is_private(cache):
        return
    _delete_unused(cache, prefix)
    # Under a name of its own first, and on the disk before it gets its name: nobody ever loads a part of it.
    with tempfile.NamedTemporaryFile(dir=cache, delete=False) as file:
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).replace(cache / f"{prefix}-{_digest(content)}.cwasm")
        except OSError:
            Path(file.name).unlink()
            raise


def _delete_unused(cache: Path, prefix: str) -> None:
    """Delete the forms of other versions, and parts that a killed process left; those of this version always stay."""
    for path in cache.iterdir():
        with contextlib.suppress(OSError):  # another process may delete it, too
            if not path.name.startswith(f"{prefix}-") and time.time() - path.stat().st_mtime > UNUSED:
                path.unlink()


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
