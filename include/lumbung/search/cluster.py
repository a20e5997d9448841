"""The search server, and how long it is waited for when it is down, slow, read-only or rejects.

Every request may be sent twice: documents have ids of their own, and so have indices.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from lumbung.core.errors import LumbungError, SettingError
from lumbung.core.settings import Settings

if TYPE_CHECKING:
    from elasticsearch8 import ApiError, Elasticsearch

# Seconds between tries, a minute in all: a restart or a full queue passes in that time.
WAITS = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
TIMEOUT = 30.0
PASSING_STATUS = frozenset({429, 502, 503, 504})
FAULTS_SHOWN = 3
Action = tuple[Mapping[str, Any], Mapping[str, Any] | None]


class UnavailableError(LumbungError):
    """The search server did not respond successfully in time."""

    transient = True


@dataclass(frozen=True)
class Cluster:
    """A search server and the tweets on it.

    Attributes:
        client: Elastic's own client, with its retries off.
        address: where the server is, for messages.
        alias: what readers search; indices are named `<alias>-YYYY-MM-v<mapping version>`.
        waits: seconds between tries.
        sleep: waits.
    """

    client: Elasticsearch
    address: str
    alias: str
    waits: Sequence[float] = WAITS
    sleep: Callable[[float], None] = time.sleep

    def ask[**P, T](self, request: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Send a request (a method of the client), again and again while waiting may help.

        Raises:
            UnavailableError: it did not help.
            LumbungError: the server refuses the request.
        """
        from elasticsearch8 import ApiError, SSLError, TransportError, UnsupportedProductError

        for wait in (*self.waits, None):
            try:
                return request(*args, **kwargs)
            except SSLError as error:
                raise LumbungError(
                    f"no safe connection ({_reason(error)})",
                    where=self.address,
                    remedy="see LUMBUNG_SEARCH; a server with a certificate of its own needs LUMBUNG_SEARCH_CA",
                ) from error
            except UnsupportedProductError as error:
                what = "this is not Elasticsearch"
                raise LumbungError(what, where=self.address, remedy="see LUMBUNG_SEARCH") from error
            except (_PassingError, TransportError) as error:
                cause: Exception = error
            except ApiError as error:
                if not _is_passing(error.status_code, error.body):
                    raise self._refused(error) from error
                cause = error
            if wait is None:
                raise UnavailableError(
                    f"the search server did not do it in {len(self.waits) + 1} tries ({_reason(cause)})",
                    where=self.address,
                    remedy="see that it runs, has room on its disk and is not read-only, then run again",
                ) from cause
            self.sleep(wait)
        raise AssertionError

    def search(self, **request: Any) -> Any:
        """Search, all shards or none; as `ask`."""
        return self.ask(self.client.search, allow_partial_search_results=False, **request)

    def bulk(self, actions: Sequence[Action]) -> None:
        """Index and delete documents; a deletion of what is not there is well done.

        Args:
            actions: as the bulk API has them: `{"index": {…}}` with a document, `{"delete": {…}}` with None.

        Raises:
            UnavailableError: some were rejected until the end.
            LumbungError: some cannot be indexed; the first few are named.
        """
        left = list(actions)

        def send() -> None:
            nonlocal left
            answer = self.client.bulk(operations=[part for action in left for part in action if part is not None])
            faults = [
                (action, result)
                for action, item in zip(left, answer["items"], strict=True)
                for result in item.values()
                if "error" in result
            ]
            bad = [result for _, result in faults if not _is_passing(result["status"], result)]
            if bad:
                first = "; ".join(f"{result['_id']}: {result['error'].get('reason')}" for result in bad[:FAULTS_SHOWN])
                raise LumbungError(
                    f"{len(bad)} of {len(left)} documents were refused ({first})",
                    where=f"{self.address}, {bad[0]['_index']}",
                    remedy="fix the rows, or give the mapping a new version",
                )
            if faults:
                left = [action for action, _ in faults]
                raise _PassingError(f"{len(left)} documents: {faults[0][1]['error'].get('reason')}")

        if left:
            self.ask(send)

    def _refused(self, error: ApiError) -> LumbungError:
        remedy = "see the message"
        if error.status_code in (401, 403):
            remedy = "see LUMBUNG_SEARCH_USERNAME and _PASSWORD, or LUMBUNG_SEARCH_API_KEY, and their rights"
        elif error.status_code == 404:
            remedy = "see LUMBUNG_SEARCH, and index a day first"
        return LumbungError(f"the search server refused ({_reason(error)})", where=self.address, remedy=remedy)


class _PassingError(Exception):
    """Documents were rejected for now."""


def connect(
    settings: Settings,
    *,
    waits: Sequence[float] = WAITS,
    timeout: float = TIMEOUT,
    sleep: Callable[[float], None] = time.sleep,
) -> Cluster:
    """Make a client of the search server that the settings name; nothing is sent yet.

    Args:
        settings: address, alias, and how to sign in.
        waits: seconds between tries.
        timeout: seconds that a single answer may take.
        sleep: waits.

    Raises:
        SettingError: no server is set.
    """
    from elasticsearch8 import Elasticsearch

    if settings.search.url is None:
        raise SettingError("no search server", where="LUMBUNG_SEARCH", remedy="set it; see .env.example")
    parts = urlsplit(settings.search.url)
    port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    address = f"{parts.scheme}://{parts.hostname}:{port}{parts.path}"
    options: dict[str, Any] = {}
    if settings.search.api_key:
        options["api_key"] = settings.search.api_key.get_secret_value()
    if settings.search.username and settings.search.password:
        options["basic_auth"] = (settings.search.username, settings.search.password.get_secret_value())
    if settings.search.ca:
        options["ca_certs"] = str(settings.search.ca)
    client = Elasticsearch(address, request_timeout=timeout, max_retries=0, **options)
    return Cluster(client=client, address=address, alias=settings.search.alias, waits=waits, sleep=sleep)


def _is_passing(status: int, body: Any) -> bool:
    """Whether waiting may help; also on a block, as the server lifts its own when a full disk has room again."""
    return status in PASSING_STATUS or _error(body).get("type") == "cluster_block_exception"


def _reason(error: Exception) -> str:
    """What happened, in a line: the server's own words if it has any."""
    from elasticsearch8 import ApiError, TransportError

    if isinstance(error, ApiError):
        cause = _error(error.body)
        first = next(iter(cause.get("root_cause", [])), cause)
        return f"{error.status_code}: {first.get('reason') or first.get('type') or error.message}"
    text = str(error.message if isinstance(error, TransportError) else error)
    return (text.strip().splitlines() or [type(error).__name__])[0][:300]


def _error(body: Any) -> Mapping[str, Any]:
    error = body.get("error") if isinstance(body, dict) else None
    return error if isinstance(error, dict) else {}
