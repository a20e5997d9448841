"""How a task fails: with the text of one error, and nothing below it."""

from __future__ import annotations

from airflow.sdk.exceptions import AirflowException, AirflowFailException

from lumbung.core.errors import LumbungError


class WithoutFrames(AirflowException):
    """An error whose text says what to do; the frames that led to it would only hide that.

    Airflow's log takes an error's text before its frames.
    """

    def __str__(self) -> str:
        if self.__traceback__:
            self.__traceback__.tb_next = None
        return super().__str__()


class StepFailedError(WithoutFrames, AirflowFailException):
    """The step cannot succeed by being tried again."""


class StepInterruptedError(WithoutFrames):
    """What failed may pass; Airflow tries again."""


def failure(error: LumbungError) -> WithoutFrames:
    """What a task raises for an error: its class decides whether Airflow tries again."""
    return StepInterruptedError(str(error)) if error.transient else StepFailedError(str(error))
