"""What GoogleSQL says of SQL that it refuses, and of a machine that cannot run it."""


class GoogleSqlError(Exception):
    """SQL is refused: at analysis, or for the rows that it is evaluated over.

    Args:
        message: GoogleSQL's own words, without the position.
        line: the line of the SQL, from 1; 0 where GoogleSQL names no position.
        column: the character of the line, from 1.
    """

    def __init__(self, message: str, line: int = 0, column: int = 0) -> None:
        self.message, self.line, self.column = message, line, column
        super().__init__(f"{message} [at {line}:{column}]" if line else message)


class UnimplementedError(GoogleSqlError):
    """The analyzer takes it; the reference implementation cannot evaluate it."""


class NotJudgedError(GoogleSqlError):
    """The engine cannot judge SQL that BigQuery may take: it is too deep, or has what only BigQuery has."""


class UnknownFunctionError(NotJudgedError):
    """SQL uses a function that BigQuery may have and this engine does not, or a routine."""


class MissingEngineError(Exception):
    """The engine is not installed, or there is none for this machine."""
