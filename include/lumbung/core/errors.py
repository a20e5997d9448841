"""The error every part of Lumbung raises: what happened, where, and what to do."""

from typing import ClassVar


class LumbungError(Exception):
    """A failure a person can act on.

    Attributes:
        transient: whether it may pass: Airflow tries the task again.

    Args:
        what: what happened, one sentence without a full stop.
        where: the file and line, table, day or setting it happened at.
        remedy: what to do about it.
    """

    transient: ClassVar[bool] = False

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        self.what, self.where, self.remedy = what, where, remedy
        sentences = [f"{where}: {what}" if where else what, remedy[:1].upper() + remedy[1:]]
        super().__init__(" ".join(text if text.endswith(("?", ".")) else f"{text}." for text in sentences if text))


class UnknownError(LumbungError):
    """Nothing has the name that was asked for."""


class SettingError(LumbungError):
    """A setting is missing or wrong; the message names it."""


class SourceError(LumbungError):
    """A source is missing, empty or cannot be read at all; nothing of it is loaded."""


class SourceUnavailableError(SourceError):
    """A source does not answer."""

    transient = True


class UnparsableError(LumbungError):
    """A query's text cannot be read at all."""


class CheckError(LumbungError):
    """A table failed a check of its contract; it is not published."""


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or the name of its class if it has no message."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
