"""Who is let in: bearer keys, known by their sha256 only, and how many requests each may make."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import logging
import os
import re
import secrets
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from lumbung.core.errors import LumbungError, SettingError
from lumbung.core.setting_groups import Api
from lumbung.serving.api.problems import Problem

log = logging.getLogger(__name__)

MADE = "api-key"  # in the home
CHALLENGE = [(b"www-authenticate", b'Bearer realm="lumbung"')]
_LINE = re.compile(r"^([0-9a-fA-F]{64})(\s.*)?$")


def digest(key: bytes) -> bytes:
    """What is kept of a key."""
    return hashlib.sha256(key).digest()


class Keys:
    """The keys that are let in.

    Args:
        fixed: digests of keys that stay.
        file: holds the sha256 of a key on each line; what follows it there, and lines that start with `#`, are notes.

    Raises:
        SettingError: the file cannot be read or holds something else.
    """

    def __init__(self, fixed: Iterable[bytes], file: Path | None = None) -> None:
        self._fixed, self._file = tuple(fixed), file
        self._state = _state(file)
        self._known = (*self._fixed, *(_read(file) if file else ()))
        self._said = ""

    def reload(self) -> None:
        """Read the file again if it changed; while it is missing or wrong, the keys stay and the log says so."""
        state = _state(self._file)
        if self._file is None or state == self._state:
            return
        try:
            self._known = (*self._fixed, *_read(self._file))
        except SettingError as error:
            if str(error) != self._said:
                log.warning("%s The keys read before stay.", error)
            self._said = str(error)
            return
        # Of before it was read: what is written meanwhile is read at the next call.
        self._state, self._said = state, ""
        log.info("%s: read %d keys", self._file, len(self._known) - len(self._fixed))

    def check(self, authorization: bytes) -> bytes:
        """The digest of the key in an `Authorization` header.

        Raises:
            Problem: there is none, or it is not let in.
        """
        scheme, _, key = authorization.partition(b" ")
        if scheme.lower() == b"bearer":
            given, match = digest(key.strip()), b""
            for known in self._known:  # all of them, so that the time does not tell which is near
                if hmac.compare_digest(given, known):
                    match = known
            if match:
                return match
        raise Problem("unauthenticated", "Send a key that is let in: Authorization: Bearer KEY.", headers=CHALLENGE)


class Rates:
    """A token bucket for each key: `rate` requests a second, and after a pause a second's worth at once.

    Args:
        rate: requests per second.
        clock: seconds; never goes back.
    """

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._size, self._clock = rate, max(rate, 1.0), clock
        self._buckets: dict[bytes, tuple[float, float]] = {}

    def take(self, key: bytes) -> None:
        """Count a request.

        Raises:
            Problem: it is one too many.
        """
        now = self._clock()
        tokens, at = self._buckets.get(key, (self._size, now))
        tokens = min(self._size, tokens + (now - at) * self._rate)
        self._buckets[key] = (max(tokens - 1, 0.0) if tokens >= 1 else tokens, now)
        if tokens < 1:
            seconds = str(max(1, round((1 - tokens) / self._rate + 0.5))).encode()
            raise Problem(
                "too-many-requests",
                f"A key may make {self._rate:g} requests a second.",
                headers=[(b"retry-after", seconds)],
            )


def open_keys(api: Api, home: Path, say: Callable[[str], object]) -> Keys:
    """The keys of the settings, or one that is made in the home.

    Args:
        api: the settings.
        home: where the key is made if the settings name none; it is used again.
        say: is given where that key is.

    Raises:
        SettingError: a setting holds no key.
        LumbungError: the home cannot be written, or the key there is empty.
    """
    digests = []
    if api.keys:
        named = [key.strip() for key in api.keys.get_secret_value().split(",")]
        if not all(re.fullmatch(r"[\x21-\x7e]+", key) for key in named):
            raise SettingError(
                "a key is empty or has characters other than printable ASCII",
                where="LUMBUNG_API_KEYS",
                remedy="separate keys by commas",
            )
        digests = [digest(key.encode()) for key in named]
    if digests or api.keys_file:
        return Keys(digests, api.keys_file)
    path = home / MADE
    try:
        key = _made(path)
    except OSError as error:
        raise LumbungError(
            f"the API's key cannot be made ({error.strerror})", where=str(path), remedy="set LUMBUNG_API_KEYS"
        ) from error
    if not key:
        raise LumbungError("the file of the API's key is empty", where=str(path), remedy="delete it: another is made")
    say(f"The key of the API is in {path}")
    return Keys([digest(key)])


def _made(path: Path) -> bytes:
    """The key in a file, which is made if it is not there; readable by this user only from the start."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{MADE}.") as file:  # mode 0600
        file.write(secrets.token_urlsafe(32).encode() + b"\n")
        file.flush()
        with contextlib.suppress(FileExistsError):
            os.link(file.name, path)
    return path.read_bytes().strip()


def _state(file: Path | None) -> tuple[int, ...]:
    """Changes when the file does: another file of the same name has another inode."""
    with contextlib.suppress(OSError):
        if file:
            status = file.stat()
            return status.st_ino, status.st_size, status.st_mtime_ns
    return ()


def _read(file: Path) -> list[bytes]:
    where = str(file)
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(
            "the file of keys cannot be read", where=where, remedy="see LUMBUNG_API_KEYS_FILE"
        ) from error
    digests = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.match(line)
        if not match:
            raise SettingError(
                "this is not the sha256 of a key",
                where=f"{where}, line {number}",
                remedy="write it by: printf %s KEY | sha256sum",
            )
        digests.append(bytes.fromhex(match[1]))
    if not digests:
        raise SettingError("the file holds no key", where=where, remedy="write one: printf %s KEY | sha256sum")
    return digests
