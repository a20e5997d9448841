"""What BigQuery's client raises, as errors that say what happened, where, and what to do.

BigQuery names a reason for each error, and only the reason says what to do: the same HTTP status stands for a wrong
query and for a fault of BigQuery's own. `REASONS` has all that its documentation names ("Error messages"), and those
that its client and its API's gateway know beside.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from google.api_core import exceptions as api
from google.auth.exceptions import DefaultCredentialsError, RefreshError, TransportError

from lumbung.core.errors import LumbungError, first_line
from lumbung.core.settings import variable


class UnavailableError(LumbungError):
    """The warehouse did not answer, or cannot do it now."""

    transient = True


class JobFailedError(UnavailableError):
    """A job failed by no fault of its own; another one, under a new id, may pass."""


class MissingError(LumbungError):
    """Something is not there."""


class DeniedError(LumbungError):
    """The account may not do it."""


class RefusedError(LumbungError):
    """BigQuery refused a request."""


AGAIN, LATER = "run again", "wait, then run again"
TABLES = (
    f"correct the name, or run a day to make the tables (those of `consistent` need {variable('consistent_views')})"
)
FIX = "fix the query or the data"
ROLES = "see the roles in docs/cookbooks/google-cloud.md"
LOGIN = (
    "run `gcloud auth application-default login`, or set the Airflow connection google_cloud_default; without"
    " LUMBUNG_PROJECT the local warehouse is used"
)
LESS = "have the query read or sort less at once"
AWAY = "see that it runs, then run again"

REASONS: dict[str, tuple[type[LumbungError], str]] = {
    # Asked for again, the job of that id gives the same error.
    "jobBackendError": (JobFailedError, AGAIN),
    "jobInternalError": (JobFailedError, AGAIN),
    "jobRateLimitExceeded": (JobFailedError, LATER),
    # These are said of requests too; the client has repeated a request for minutes before it gives up.
    "backendError": (JobFailedError, AGAIN),
    "internalError": (JobFailedError, AGAIN),
    "rateLimitExceeded": (JobFailedError, LATER),
    "tableUnavailable": (JobFailedError, LATER),
    "badGateway": (UnavailableError, AGAIN),
    "userRateLimitExceeded": (UnavailableError, LATER),
    # A job that was cancelled, or whose server ended. Who cancelled it may not want another one at once.
    "stopped": (UnavailableError, AGAIN),
    # A quota is refilled through the day.
    "quotaExceeded": (
        UnavailableError,
        "wait until the quota is refilled, or raise it; see docs/reference/bigquery.md",
    ),
    "accessDenied": (DeniedError, ROLES),
    "accessNotConfigured": (DeniedError, "enable the BigQuery API in the project"),
    "authError": (DeniedError, LOGIN),
    "billingNotEnabled": (DeniedError, "turn on billing for the project, or use a project that has it"),
    "blocked": (DeniedError, "ask Google's support: it has blocked this kind of request for a time"),
    "insufficientPermissions": (DeniedError, ROLES),
    "invalidUser": (DeniedError, LOGIN),
    "policyViolation": (DeniedError, "ask who administers the organization which policy forbids it"),
    "proxyAuthenticationRequired": (DeniedError, "give the proxy's user and password in HTTPS_PROXY"),
    "required": (DeniedError, LOGIN),
    "notFound": (MissingError, TABLES),
    "attributeError": (RefusedError, FIX),
    "badRequest": (RefusedError, FIX),
    "billingTierLimitExceeded": (RefusedError, LESS),
    "bytesBilledLimitExceeded": (
        RefusedError,
        f"raise {variable('max_bytes_billed')}, or have the query read fewer bytes",
    ),
    "duplicate": (RefusedError, "delete what is there, or use another LUMBUNG_DATASET_PREFIX"),
    "invalid": (RefusedError, FIX),
    "invalidQuery": (RefusedError, FIX),
    "notImplemented": (RefusedError, FIX),
    "resourceInUse": (RefusedError, "wait until the jobs that use it are over"),
    "resourcesExceeded": (RefusedError, LESS),
    "responseTooLarge": (RefusedError, LESS),
    "timeout": (RefusedError, LESS),
}
REMEDIES = frozenset(remedy for _, remedy in REASONS.values()) | {AWAY, FIX, LOGIN, ROLES, TABLES}
"""All that the errors below end with: an error that ends so has BigQuery's own words, which may quote values."""


@contextlib.contextmanager
def translated(where: str, server: str) -> Iterator[None]:
    """Turn the client's errors into ours.

    Args:
        where: the table, data set or job that a request is about.
        server: what is asked, as messages name it.

    Raises:
        MissingError: there is no such table, data set or job.
        JobFailedError: a job failed, and another one may pass.
        UnavailableError: the server did not answer, or a quota is used up.
        DeniedError: there are no credentials, or they do not suffice.
        RefusedError: BigQuery refused the request.
    """
    try:
        yield
    except (DefaultCredentialsError, RefreshError) as error:
        what = f"no Google credentials ({first_line(error)[:300]})"
        raise DeniedError(what, where="LUMBUNG_PROJECT", remedy=LOGIN) from error
    # requests' connection errors are OSErrors.
    except (api.GoogleAPIError, TransportError, OSError) as error:
        raise _translation(error, where, server) from error


def _translation(error: Exception, where: str, server: str) -> LumbungError:
    if isinstance(error, api.RetryError) and isinstance(error.cause, api.GoogleAPICallError):
        error = error.cause
    if not isinstance(error, api.GoogleAPICallError):
        return _away(error, where, server)
    fault = error.errors[0] if error.errors else {}
    if known := REASONS.get(fault.get("reason", "")):
        kind, remedy = known
        # Errors that the client makes of a job's status have no response.
        if kind is JobFailedError and error.response is not None and not fault["reason"].startswith("job"):
            kind = UnavailableError
        return kind(_message(error), where=where, remedy=remedy)
    match error:
        case api.NotFound():
            return MissingError(_message(error), where=where, remedy=TABLES)
        case api.Unauthorized():
            return DeniedError(_message(error), where=where, remedy=LOGIN)
        case api.Forbidden():
            return DeniedError(_message(error), where=where, remedy=ROLES)
        case api.ServerError() | api.TooManyRequests():
            return _away(error, where, server)
    return RefusedError(_message(error), where=where, remedy=FIX)


def _away(error: Exception, where: str, server: str) -> UnavailableError:
    what = f"{server} does not answer ({first_line(error)[:300]})"
    return UnavailableError(what, where=where, remedy=AWAY)


def _message(error: api.GoogleAPICallError) -> str:
    """The fault in one line. The client puts the request before it, or all of the job's errors behind it."""
    fault = error.errors[0] if error.errors else {}
    return str(fault.get("message") or error.message or error).strip().splitlines()[0]
