"""A schema registry with Confluent's API: whether a schema fits what a topic has, and its id before each message."""

from __future__ import annotations

import contextlib
import functools
import ssl
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from lumbung.core.errors import LumbungError, first_line
from lumbung.core.settings import Settings, variable

if TYPE_CHECKING:
    from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
    from confluent_kafka.schema_registry.error import SchemaRegistryError

ANSWER_SECONDS = 20.0
TRIES = 3

# Confluent's wire format: a zero byte, and the schema's id in four bytes, the highest first.
_FRAME = struct.Struct(">bI")
# Error codes of Confluent's API: no subject, no version, no schema, no configuration of the subject.
_NOTHING_THERE = (40401, 40402, 40403, 40408)
_PASSING = (408, 429, 500, 502, 503, 504)  # HTTP statuses that the client library tries again

State = Literal["new", "same", "compatible", "incompatible"]


class RegistryUnavailableError(LumbungError):
    """The schema registry does not answer."""

    transient = True


@dataclass(frozen=True)
class Check:
    """A schema beside what the registry has.

    Attributes:
        subject: what the registry has it under.
        state: `new`: the subject has no schema yet; `same`: it has this one; `compatible` or `incompatible` with what
            it has.
        level: what the registry checks, such as BACKWARD: consumers of the new schema can read messages of the last
            one.
        latest: the subject's latest version; None: it has none.
        version: the version that this schema is; None: it is not there.
        schema_id: the registry's id of this schema; None: it is not there.
    """

    subject: str
    state: State
    level: str
    latest: int | None = None
    version: int | None = None
    schema_id: int | None = None


class Registry:
    """A subject of the registry that the settings name.

    Args:
        settings: which registry.
        subject: such as `<topic>-value`.
        command: the command that has `check` and `publish`.

    Raises:
        LumbungError: they name none.
    """

    def __init__(self, settings: Settings, subject: str, *, command: str) -> None:
        self.settings, self.subject, self.command = settings.schema_registry, subject, command
        if not self.settings.url:
            raise LumbungError(
                "no schema registry is set",
                where=variable("schema_registry"),
                remedy="set it to the address of a registry with Confluent's API",
            )
        self.url = self.settings.url

    def schema_id(self, text: str) -> int:
        """The id of a schema that the registry has, or gets now as it fits what is there.

        Raises:
            RegistryUnavailableError: the registry does not answer.
            LumbungError: the schema does not fit, or the registry refuses.
        """
        published = self.publish(text)
        assert published.schema_id is not None
        return published.schema_id

    def check(self, text: str) -> Check:
        """Compare a JSON Schema with what the registry has; nothing is written.

        Raises:
            RegistryUnavailableError: the registry does not answer.
            LumbungError: the registry refuses.
        """
        with self._errors():
            return self._check(text)

    def publish(self, text: str) -> Check:
        """Register a JSON Schema. A new subject is checked BACKWARD, where nothing is checked so far.

        Returns:
            What `check` returns, with the version and id that it has now.

        Raises:
            RegistryUnavailableError: the registry does not answer.
            LumbungError: the schema does not fit, or the registry refuses.
        """
        with self._errors():
            check = self._check(text)
            if check.state == "same":
                return check
            if check.state == "incompatible":
                raise self.incompatible()
            level = check.level
            if check.state == "new" and not level.startswith(("BACKWARD", "FULL")):
                level = "BACKWARD"
                self._client.set_compatibility(self.subject, level)
            self._client.register_schema(self.subject, self._schema(text))
            registered = self._client.lookup_schema(self.subject, self._schema(text))
            version, schema_id = registered.version, registered.schema_id
            return Check(self.subject, check.state, level, version, version, schema_id)

    def _check(self, text: str) -> Check:
        client, schema = self._client, self._schema(text)
        client.clear_caches()
        with _unless_missing():
            same = client.lookup_schema(self.subject, schema)
            latest = client.get_latest_version(self.subject).version
            return Check(self.subject, "same", self._level(), latest, same.version, same.schema_id)
        with _unless_missing():
            latest, level = client.get_latest_version(self.subject).version, self._level()
            # A registry may check all versions if it is asked to, whatever the level is.
            is_transitive = level.endswith("_TRANSITIVE")
            test = client.test_compatibility_all_versions if is_transitive else client.test_compatibility
            return Check(self.subject, "compatible" if test(self.subject, schema) else "incompatible", level, latest)
        return Check(self.subject, "new", self._level())

    def _level(self) -> str:
        """What the registry checks for the subject, by its own rule or else by that of all subjects."""
        with _unless_missing():
            return self._client.get_compatibility(self.subject)
        return self._client.get_compatibility()

    @functools.cached_property
    def _client(self) -> SchemaRegistryClient:
        from confluent_kafka.schema_registry import SchemaRegistryClient

        config: dict[str, Any] = {"url": self.url, "timeout": ANSWER_SECONDS, "max.retries": TRIES - 1}
        if self.settings.username and self.settings.password:
            config["basic.auth.user.info"] = f"{self.settings.username}:{self.settings.password.get_secret_value()}"
        return SchemaRegistryClient(config)

    @staticmethod
    def _schema(text: str) -> Schema:
        from confluent_kafka.schema_registry import Schema

        return Schema(text, "JSON")

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Raise what the client library raises as an error that a person can act on."""
        from confluent_kafka.schema_registry.error import SchemaRegistryError
        from httpx2 import TransportError

        try:
            yield
        except TransportError as error:
            raise self._unreachable(error) from error
        except SchemaRegistryError as error:
            raise self._refused(error) from error
        except (ValueError, TypeError, KeyError, AttributeError) as error:  # an answer of another form
            raise self._no_registry(f"it answers otherwise than one: {first_line(error)}") from error

    def _unreachable(self, error: Exception) -> LumbungError:
        cause: BaseException | None = error
        while cause and not isinstance(cause, ssl.SSLError):
            cause = cause.__cause__ or cause.__context__
        if cause:
            return LumbungError(
                f"no safe connection to the schema registry ({first_line(cause)})",
                where=self.url,
                remedy="check the address; for a company's own authority set SSL_CERT_FILE to a file with its"
                " certificate",
            )
        return RegistryUnavailableError(
            f"the schema registry does not answer ({first_line(error)})",
            where=self.url,
            remedy=f"see to it that it runs, and check {variable('schema_registry')}; nothing was sent",
        )

    def _refused(self, error: SchemaRegistryError) -> LumbungError:
        status, message = error.http_status_code, error.error_message
        if status == 409:
            return self.incompatible(message)
        if status in (401, 403):
            user, password = variable("schema_registry_username"), variable("schema_registry_password")
            what = "does not let this user in" if status == 401 else f"does not allow this user to use {self.subject}"
            return LumbungError(
                f"the schema registry {what}",
                where=self.url,
                remedy=f"check {user} and {password}, and the user's rights; a user who may write there can publish"
                f" the schema: {self.command} publish",
            )
        if status in _PASSING:
            return RegistryUnavailableError(
                f"the schema registry cannot answer now (HTTP {status}: {message})",
                where=self.url,
                remedy="try again later, or read the registry's log; nothing was sent",
            )
        if status == 404:
            return self._no_registry("HTTP 404")
        return LumbungError(
            f"the schema registry refuses (HTTP {status}: {message})",
            where=f"{self.url}, {self.subject}",
            remedy="read the registry's log",
        )

    def _no_registry(self, reason: str) -> LumbungError:
        return LumbungError(
            f"there is no schema registry with Confluent's API at this address ({reason})",
            where=self.url,
            remedy=f"check {variable('schema_registry')}; Apicurio's has the path /apis/ccompat/v7",
        )

    def incompatible(self, reason: str = "") -> LumbungError:
        """The error that a schema does not fit what the subject has.

        Args:
            reason: what the registry says.
        """
        return LumbungError(
            f"the schema does not fit what the registry has{reason and f': {reason}'}",
            where=f"{self.url}, {self.subject}",
            remedy=f"nothing was sent; choose a version that fits ({self.command} check), or another topic",
        )


def frame(schema_id: int) -> bytes:
    """The bytes before each message of a schema.

    Args:
        schema_id: the registry's id of it.
    """
    return _FRAME.pack(0, schema_id)


def unframed(value: bytes) -> bytes:
    """A JSON message without the bytes that a registry's client puts before it, if they are there."""
    return value[_FRAME.size :] if value.startswith(b"\0") else value


@contextlib.contextmanager
def _unless_missing() -> Iterator[None]:
    """Leave the block, without an error, where the registry does not have what it asks for."""
    from confluent_kafka.schema_registry.error import SchemaRegistryError

    try:
        yield
    except SchemaRegistryError as error:
        if error.error_code not in _NOTHING_THERE:
            raise
