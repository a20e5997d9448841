"""What BigQuery's client raises, as errors that say what happened, where, and what to do."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from google.api_core import exceptions as api
from google.auth.exceptions import DefaultCredentialsError, RefreshError, TransportError

from lumbung.core.errors import LumbungError, first_line

STOPPED = "stopped"  # the reason of a job that was cancelled, or whose server ended


class UnavailableError(LumbungError):
    """The warehouse did not answer."""

    transient = True


class MissingError(LumbungError):
    """Something is not there."""


class RefusedError(LumbungError):
    """BigQuery refused a request."""


@contextlib.contextmanager
def translated(where: str, server: str) -> Iterator[None]:
    """Turn the client's errors into ours.

    Args:
        where: the table, data set or job that a request is about.
        server: what is asked, as messages name it.

    Raises:
        MissingError: there is no such table, data set or job.
        UnavailableError: the server did not answer, or a quota is used up.
        RefusedError: BigQuery refused the request.
        LumbungError: there are no credentials, or they do not suffice.
    """
    try:
        yield
    except (DefaultCredentialsError, RefreshError) as error:
        raise LumbungError(
            f"no Google credentials ({first_line(error)[:300]})",
            where="LUMBUNG_PROJECT",
            remedy="run `gcloud auth application-default login`, or set the Airflow connection"
            " google_cloud_default; without LUMBUNG_PROJECT the local warehouse is used",
        ) from error
    except api.NotFound as error:
        raise MissingError(_message(error), where=where, remedy="run a day to make the tables") from error
    except api.Forbidden as error:
        if any("quota" in str(fault.get("reason")).lower() for fault in error.errors):
            raise UnavailableError(_message(error), where=where, remedy="wait, then run again") from error
        remedy = "see the roles in docs/cookbooks/google-cloud.md"
        raise LumbungError(_message(error), where=where, remedy=remedy) from error
    # requests' connection errors are OSErrors.
    except (api.RetryError, api.ServerError, api.TooManyRequests, TransportError, OSError) as error:
        raise UnavailableError(
            f"{server} does not answer ({first_line(error)[:300]})",
            where=where,
            remedy="see that it runs, then run again",
        ) from error
    except api.GoogleAPICallError as error:
        if any(fault.get("reason") == STOPPED for fault in error.errors):
            raise UnavailableError(_message(error), where=where, remedy="run again") from error
        raise RefusedError(_message(error), where=where, remedy="fix the query or the data") from error


def _message(error: api.GoogleAPICallError) -> str:
    return str(error.message or error).strip().splitlines()[0]
