"""What Airflow's log shows of a failed task."""

import sys

import pytest
from structlog.tracebacks import extract

from lumbung.core.errors import SourceError, SourceUnavailableError
from lumbung.storage.client_errors import RefusedError, UnavailableError
from lumbung_airflow.failures import StepFailedError, failure


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (SourceError("no such table"), False),
        (RefusedError("no"), False),
        (SourceUnavailableError("away"), True),
        (UnavailableError("away"), True),
    ],
)
def test_only_what_may_help_is_tried_again(error, again):
    raised = failure(error)
    assert isinstance(raised, StepFailedError) is not again
    assert str(raised) == str(error)


def test_the_log_has_the_text_once_and_no_frames_of_ours():
    """As Airflow's log makes a failed task's line."""

    def work():
        raise SourceError("it is broken", where="file.csv, line 3", remedy="fix it")

    def execute():
        try:
            work()
        except SourceError as error:
            raise failure(error) from None

    try:
        execute()
    except StepFailedError:
        (stack,) = extract(*sys.exc_info()).stacks
    assert stack.exc_value == "file.csv, line 3: it is broken. Fix it."
    assert [frame.name for frame in stack.frames] == ["test_the_log_has_the_text_once_and_no_frames_of_ours"]
