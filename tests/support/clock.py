"""A wall clock of one's own for programs that a test starts, on Linux: `clock.c`, which they load first."""

from __future__ import annotations

import mmap
import os
import shutil
import struct
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

SOURCE = Path(__file__).with_suffix(".c")
FILE_VARIABLE = "CLOCK_SHIFT_FILE"


def is_possible() -> bool:
    """Whether this machine can shift clocks: it takes Linux and a C compiler."""
    return sys.platform == "linux" and shutil.which("cc") is not None


class Clock:
    """A clock that is ahead of this machine's; what is started with `environ` sees it, and every change at once.

    Args:
        folder: where its files are put; every user must be able to read it.
        now: the time it shows first.
    """

    def __init__(self, folder: Path, now: datetime) -> None:
        library, self._file = folder / "clock.so", folder / "shift"
        command = ["cc", "-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", str(library), str(SOURCE), "-ldl"]
        subprocess.run(command, check=True)
        self._file.write_bytes(bytes(8))
        self._file.chmod(0o644)
        self.environ = {"LD_PRELOAD": str(library), FILE_VARIABLE: str(self._file)}
        self.set(now)

    @classmethod
    def current(cls) -> Self:
        """The clock that this process was started with."""
        clock = cls.__new__(cls)
        clock._file = Path(os.environ[FILE_VARIABLE])
        clock.environ = {name: os.environ[name] for name in ("LD_PRELOAD", FILE_VARIABLE)}
        return clock

    def now(self) -> datetime:
        """What it shows."""
        return datetime.fromtimestamp(self._real() + self._shift(), UTC)

    def set(self, now: datetime) -> None:
        """Let it show another time, not earlier than it shows already."""
        with self._file.open("r+b") as file, mmap.mmap(file.fileno(), 8) as shift:
            struct.pack_into("=q", shift, 0, round(now.timestamp() - self._real()))

    def _shift(self) -> int:
        return int(struct.unpack("=q", self._file.read_bytes())[0])

    def _real(self) -> float:
        """This machine's time, also in a process that was started with the clock."""
        return time.time() - (self._shift() if os.environ.get(FILE_VARIABLE) == str(self._file) else 0)
