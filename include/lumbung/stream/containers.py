"""The texts in a file, by what it is and not by its name: plain, compressed, in a zip or tar, these in one another.

gzip, bzip2, xz, Zstandard, zip and tar are read as streams, so memory does not grow with them; other forms are refused
by name.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BufferedIOBase, BufferedReader, RawIOBase
from typing import Any, Self, cast

HEAD_BYTES = 512
BUFFER_BYTES = 2**16
NEIGHBOUR_BYTES = 2**16
MAX_DEPTH = 8
# What reading a damaged file raises.
READ_ERRORS = (
    *(EOFError, OSError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, tarfile.TarError),
    *(NotImplementedError, UnicodeError),
)

Neighbour = Callable[[str], bytes | None]
"""Gives the beginning of a file that lies beside a text, by its name."""

_NAME = re.compile(r"[^.].*\.(jsonl|ndjson|json)(\.\w+)?", re.IGNORECASE)
_EXPORT = re.compile(r"[\s\ufeff]*window\.YTD\.(\w+)\.part\d+\s*=")
_COMPRESSED = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"\x5d\0\0": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
}
_ZIPS = (b"PK\x03\x04", b"PK\x05\x06")
_OTHER_CONTAINERS = {
    b"7z\xbc\xaf\x27\x1c": "7-Zip",
    b"Rar!": "RAR",
    b"\x04\x22\x4d\x18": "LZ4",
    b"\xff\x06\0\0sNaPpY": "Snappy",
    b"LZIP": "lzip",
    b"\x1f\x9d": "compress (.Z)",
}
_REFUSED = {**_OTHER_CONTAINERS, b"PAR1": "Parquet", b"SQLite format 3": "SQLite"}
_UNPACK = "unpack it, then collect it again"


class Stream(BufferedReader):
    """Bytes up to where they end or cannot be read on."""

    @property
    def error(self) -> Exception | None:
        """Why it cannot be read on, once its end is reached."""
        return cast("_Rewound", self.raw).error


@dataclass(frozen=True)
class Text:
    """A text to read.

    Attributes:
        name: the file's path, and its name in the container.
        stream: its bytes, from the beginning.
        export: the variable of X's data export, such as `tweets`; None: it is another file.
        neighbour: gives the beginning of a file beside it.
    """

    name: str
    stream: Stream
    export: str | None
    neighbour: Neighbour


@dataclass(frozen=True)
class Unread:
    """A file that cannot be read, with the reason."""

    name: str
    reason: str


@dataclass(frozen=True)
class LeftOut:
    """A file that is passed over: neither its name nor its content says that it holds tweets."""

    name: str


Entry = Text | Unread | LeftOut
_Decompressor = bz2.BZ2Decompressor | lzma.LZMADecompressor


def is_candidate(name: str, head: bytes) -> bool:
    """Whether a file may hold tweets.

    Args:
        name: its own name, without folders.
        head: its first `HEAD_BYTES` bytes.
    """
    is_container = head.startswith((*_COMPRESSED, *_ZIPS, *_OTHER_CONTAINERS)) or _is_tar(head)
    return bool(_NAME.fullmatch(name)) or is_container or _is_json(head)


def texts(name: str, stream: BufferedIOBase, neighbour: Neighbour, *, is_given: bool) -> Iterator[Entry]:
    """What is in a file; each text is to be read before the next is asked for.

    Args:
        name: its path.
        stream: its bytes, from the beginning.
        neighbour: gives the beginning of a file beside it.
        is_given: a person named this file, so it is read whatever it looks like.
    """
    return _safely(name, _walk(name, stream, neighbour, is_given, 0))


def _safely(name: str, inside: Iterator[Entry]) -> Iterator[Entry]:
    try:
        yield from inside
    except READ_ERRORS as error:
        yield Unread(name, f"it cannot be read to its end: {error}")


def _walk(name: str, opened: BufferedIOBase, neighbour: Neighbour, is_given: bool, depth: int) -> Iterator[Entry]:
    rewound = _Rewound(opened)
    head, stream = rewound.head, Stream(rewound, BUFFER_BYTES)
    compression = next((kind for magic, kind in _COMPRESSED.items() if head.startswith(magic)), None)
    is_zip, is_tar = head.startswith(_ZIPS), _is_tar(head)
    if depth == MAX_DEPTH and (compression or is_zip or is_tar):
        yield Unread(name, f"more than {MAX_DEPTH} files in one another; {_UNPACK}")
    elif compression:
        yield from _walk(name, _decompressed(stream, compression), neighbour, is_given, depth + 1)
    elif is_zip:
        yield from _zip(name, None if depth else opened, stream, depth)
    elif is_tar:
        yield from _tar(name, stream, depth)
    else:
        yield _text(name, head, stream, neighbour, is_given)


def _text(name: str, head: bytes, stream: Stream, neighbour: Neighbour, is_given: bool) -> Entry:
    wanted = is_given or is_candidate(name.rpartition("/")[2], head)
    if not wanted:
        return LeftOut(name)
    for magic, kind in _REFUSED.items():
        if head.startswith(magic):
            return Unread(name, f"it is {kind}, which is not read here; {_UNPACK}")
    if encoding := _foreign_encoding(head):
        return Unread(name, f"it is {encoding}; convert it to UTF-8, then collect it again")
    if b"\0" in head:
        return Unread(name, "it is binary data, not JSON")
    export = _EXPORT.match(head.decode("utf-8", "replace"))
    return Text(name, stream, export[1].lower() if export else None, neighbour)


def _decompressed(stream: BufferedIOBase, kind: str) -> BufferedIOBase:
    if kind == "gzip":
        return gzip.GzipFile(fileobj=stream)
    if kind == "bzip2":
        return BufferedReader(_Decompressed(stream, bz2.BZ2Decompressor), BUFFER_BYTES)
    if kind == "xz":
        return BufferedReader(_Decompressed(stream, lzma.LZMADecompressor), BUFFER_BYTES)
    import pyarrow as pa  # Python has Zstandard from 3.14 only

    return BufferedReader(pa.CompressedInputStream(pa.PythonFile(stream, "r"), "zstd"))


def _zip(name: str, file: BufferedIOBase | None, stream: BufferedIOBase, depth: int) -> Iterator[Entry]:
    with tempfile.TemporaryFile() as copy:
        if file is None:  # a zip is read from its end
            shutil.copyfileobj(stream, copy)
        with zipfile.ZipFile(cast("Any", file or copy)) as container:
            if min((member.header_offset for member in container.infolist()), default=0):
                yield Unread(name, f"there is something before its first file, as in joined zips; {_UNPACK}")
            for member in container.infolist():
                if member.is_dir() or _is_hidden(member.filename):
                    continue
                place = f"{name}/{member.filename}"
                if member.flag_bits & 1:
                    yield Unread(place, f"it is encrypted; {_UNPACK}")
                    continue
                yield from _safely(place, _member(container, member, place, depth))


def _member(container: zipfile.ZipFile, member: zipfile.ZipInfo, place: str, depth: int) -> Iterator[Entry]:
    folder = member.filename.rpartition("/")[0]

    def neighbour(name: str) -> bytes | None:
        try:
            with container.open(f"{folder}/{name}" if folder else name) as beside:
                return beside.read(NEIGHBOUR_BYTES)
        except (KeyError, *READ_ERRORS):
            return None

    with container.open(member) as stream:
        yield from _walk(place, cast("BufferedIOBase", stream), neighbour, False, depth + 1)


def _tar(name: str, stream: BufferedIOBase, depth: int) -> Iterator[Entry]:
    with tarfile.open(fileobj=stream, mode="r|", tarinfo=_strict_member(), ignore_zeros=True) as container:
        for member in container:
            if not member.isfile() or _is_hidden(member.name):
                continue
            place, file = f"{name}/{member.name}", cast("BufferedIOBase", container.extractfile(member))
            yield from _safely(place, _walk(place, file, lambda _: None, False, depth + 1))


def _strict_member() -> type[tarfile.TarInfo]:
    """A member that is an error where Python ends a tar silently: at a damaged header, or without the mark of its end.

    Tars that were joined are read to the end of the last.
    """
    has_ended = False

    class Member(tarfile.TarInfo):
        @classmethod
        def fromtarfile(cls, container: tarfile.TarFile) -> Self:
            nonlocal has_ended
            try:
                member = super().fromtarfile(container)
            except tarfile.HeaderError as error:
                # Its subclasses are not in typeshed.
                has_ended = has_ended or type(error).__name__ == "EOFHeaderError"
                if has_ended and type(error).__name__ in ("EOFHeaderError", "EmptyHeaderError"):
                    raise
                raise tarfile.ReadError(f"it breaks off: {error}") from error
            has_ended = False
            return member

    return Member


def _is_hidden(name: str) -> bool:
    return any(part.startswith((".", "__MACOSX")) and part not in (".", "..") for part in name.split("/"))


def _is_tar(head: bytes) -> bool:
    return head[257:262] == b"ustar"


def _is_json(head: bytes) -> bool:
    text = head.decode("utf-8", "replace").lstrip("\ufeff \t\r\n")
    encoding = _foreign_encoding(head)
    if encoding:
        text = head.decode("utf-16" if "16" in encoding else "utf-32", "replace").lstrip("\ufeff \t\r\n")
    return text.startswith(("{", "[{", "[\n", "[\r", "[ ", "Grailbird.data.")) or bool(_EXPORT.match(text))


def _foreign_encoding(head: bytes) -> str | None:
    if head.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        return "UTF-32"
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or re.match(rb"[\[{\s]\0|\0[\[{\s]", head):
        return "UTF-16"
    return None


class _Decompressed(RawIOBase):
    """Streams of bzip2 or xz, one after the other.

    Python's own readers silently drop what follows the last one; here it is an error.
    """

    def __init__(self, source: BufferedIOBase, make: Callable[[], _Decompressor]) -> None:
        self.source, self.make, self.decompressor = source, make, make()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        while True:
            if self.decompressor.eof:
                more = self.decompressor.unused_data.lstrip(b"\0")  # xz may be padded
                while not more and (read := self.source.read(BUFFER_BYTES)):
                    more = read.lstrip(b"\0")
                if not more:
                    return 0
                self.decompressor = self.make()
            else:
                more = self.source.read(BUFFER_BYTES) if self.decompressor.needs_input else b""
                if self.decompressor.needs_input and not more:
                    raise EOFError("the compressed data has no end")
            if content := self.decompressor.decompress(more, len(buffer)):
                buffer[: len(content)] = content
                return len(content)


class _Rewound(RawIOBase):
    """A stream whose beginning was looked at; it ends where it cannot be read on."""

    def __init__(self, rest: BufferedIOBase) -> None:
        self.rest = rest
        self.error: Exception | None = None
        head = bytearray()
        while len(head) < HEAD_BYTES and (more := self._read(HEAD_BYTES - len(head))):
            head += more
        if self.error and not head:
            raise self.error
        self.head = self._ahead = bytes(head)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        content, self._ahead = self._ahead[: len(buffer)] or self._read(len(buffer)), self._ahead[len(buffer) :]
        buffer[: len(content)] = content
        return len(content)

    def _read(self, size: int) -> bytes:
        """What there is at once, so that an error comes after all that was read before it."""
        if self.error:
            return b""
        try:
            return self.rest.read1(size)
        except READ_ERRORS as error:
            self.error = error
            return b""
