"""Settings that belong together: a group for each service, see `lumbung.core.settings`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

ROOT = Path(__file__).resolve().parents[3]


def absolute(path: Path) -> Path:
    """The path from the checkout's root."""
    return (ROOT / path.expanduser()).resolve()


def _existing_file(path: Path) -> Path:
    if not absolute(path).is_file():
        raise ValueError(f"there is no file {path}")
    return absolute(path)


def _webhook(url: SecretStr) -> SecretStr:
    if urlsplit(url.get_secret_value()).scheme not in ("http", "https"):
        raise ValueError("must be an http:// or https:// address")
    return url


def _time_after_start(text: str) -> str:
    if not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", text) or text <= "00:30":
        raise ValueError("must look like 06:00, and be after 00:30, when runs start")
    return text


def _connection_string(text: SecretStr) -> SecretStr:
    if not re.search(r"(?i)(^|;)\s*(AccountKey|SharedAccessSignature)=", text.get_secret_value()):
        raise ValueError("must look like AccountName=name;AccountKey=key;…, as Azure shows it under Access keys")
    return text


def _header(token: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[A-Za-z0-9%._~+/=-]+", token.get_secret_value()):
        raise ValueError("has characters that no bearer token has")
    return token


def _encrypted(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme == "http" and parts.hostname not in ("127.0.0.1", "localhost"):
        raise ValueError("must be an https:// address: the token goes there")
    return url


def server_url(url: str) -> str:
    """The address, if it is one of a server and holds no secret.

    Raises:
        ValueError: it is not.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("must look like https://host:port")
    if parts.username is not None:
        raise ValueError(
            "must hold no user and password; there are settings for them, whose names end in _USERNAME and _PASSWORD"
        )
    return url


AbsolutePath = Annotated[Path, AfterValidator(absolute)]
ExistingFile = Annotated[Path, AfterValidator(_existing_file)]
HttpUrl = Annotated[str, Field(pattern=r"^https?://[^/\s]+$")]
Email = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")]


class Group(BaseModel):
    """Settings that belong together."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class Notify(Group):
    """Who hears of runs that failed or are late.

    Attributes:
        email: address that failed runs are mailed to (Airflow connection `smtp_default`).
        webhook: address that failed runs are posted to as JSON.
        deadline: time in Jakarta by which a scheduled run must have ended well; None: runs are never late.
    """

    email: Email | None = None
    webhook: Annotated[SecretStr, AfterValidator(_webhook)] | None = None
    deadline: Annotated[str, AfterValidator(_time_after_start)] | None = None

    @model_validator(mode="after")
    def _somebody_hears(self) -> Self:
        if self.deadline and not (self.email or self.webhook):
            raise ValueError("LUMBUNG_NOTIFY_DEADLINE needs LUMBUNG_NOTIFY_EMAIL or LUMBUNG_NOTIFY_WEBHOOK")
        return self


class Azure(Group):
    """Azure, where the lake is there.

    Attributes:
        account: storage account of a lake at `az://`, which one signs in to as the machine, its user or its identity.
        connection_string: a storage account's address with a key or a shared access signature.
    """

    account: Annotated[str, Field(pattern=r"^[a-z0-9]{3,24}$")] | None = None
    connection_string: Annotated[SecretStr, AfterValidator(_connection_string)] | None = None

    @property
    def connected_account(self) -> str | None:
        """The account that the connection string names, if it does: one with a signature may give an address only."""
        if self.connection_string is None:
            return None
        fields = (field.partition("=") for field in self.connection_string.get_secret_value().split(";"))
        return {name.strip().lower(): value for name, _, value in fields}.get("accountname")


class X(Group):
    """The X API.

    Attributes:
        bearer_token: the app's bearer token.
        max_usd: US dollars it may cost in a calendar month of Jakarta.
        url: its address.
    """

    bearer_token: Annotated[SecretStr, AfterValidator(_header)] | None = None
    max_usd: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 5
    url: Annotated[HttpUrl, AfterValidator(_encrypted)] = "https://api.x.com"


class Kafka(Group):
    """Kafka.

    Attributes:
        servers: bootstrap servers; None: a broker of this machine's own.
        username: user of a Kafka that asks for one.
        password: its password.
        security_protocol: how Kafka is spoken to; default: SASL_SSL with a user, PLAINTEXT without.
        sasl_mechanism: how the user is proven.
        ca: file of the authorities whose certificates Kafka may show; default: the machine's.
        topic: the topic of tweets; `<topic>.done` and `<topic>.dead` stand beside it.
    """

    servers: Annotated[str, Field(pattern=r"^[^\s,/]+:\d+(,[^\s,/]+:\d+)*$")] | None = None
    username: str | None = None
    password: SecretStr | None = None
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] | None = None
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    ca: AbsolutePath | None = None
    topic: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=200)] = "investasi"


class Activity(Group):
    """Activity of students.

    Attributes:
        topic: the topic that a dataset is replayed to; `<topic>.done` and `<topic>.dead` stand beside it.
    """

    topic: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=200)] = "activity"


class ContractEvents(Group):
    """Contracts of a bank and the events of their changes.

    Attributes:
        source: folder of `accounts.csv`, `parties.csv` and `party_address.csv`.
        topic: the topic that events are sent to; `<topic>.done` belongs to it.
        schema_version: version of the events' schema.
        tombstone: whether a message without a value follows the event of a contract that is deleted.
    """

    source: AbsolutePath = Path("data-source/contract-events")
    topic: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=200)] = "contract-events"
    schema_version: Literal["1.0", "1.1"] = "1.0"
    tombstone: bool = False


class SchemaRegistry(Group):
    """A schema registry with Confluent's API.

    Attributes:
        url: its address; None: messages are plain JSON.
        username: who signs in there; of Confluent Cloud the registry's API key.
        password: the password, or the API key's secret.
    """

    url: Annotated[str, AfterValidator(server_url)] | None = None
    username: str | None = None
    password: SecretStr | None = None


class Search(Group):
    """Elasticsearch.

    Attributes:
        url: address of a server; None: tweets are not indexed.
        username: who signs in there and at Kibana, with `password` or else `api_key`.
        password: see `username`.
        api_key: see `username`.
        ca: file with the certificate authority of a server that has its own.
        alias: what readers search; put before every index's name, so that a team shares one server.
    """

    url: Annotated[str, AfterValidator(server_url)] | None = None
    username: str | None = None
    password: SecretStr | None = None
    api_key: SecretStr | None = None
    ca: ExistingFile | None = None
    alias: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$", max_length=64)] = "tweet"


class Api(Group):
    """The API that serves models.

    Attributes:
        keys: bearer keys that are let in, separated by commas.
        keys_file: file with the sha256 of a key on each line; read again when it changes.
        rate: requests per second that each key may make.
    """

    keys: SecretStr | None = None
    keys_file: AbsolutePath | None = None
    rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 500


class Spark(Group):
    """Spark.

    Attributes:
        engine: what cleans tweets: `sail`, `sc://host:port` (Spark Connect), `dataproc`, `dataproc-serverless`.
    """

    engine: Annotated[str, Field(pattern=r"^(sail|dataproc|dataproc-serverless|sc://[^/;\s]+(/;\S*)?)$")] = "sail"


class Dataproc(Group):
    """Dataproc, where it is the Spark engine.

    Attributes:
        region: its region.
        machine_type: machine of the cluster's one node.
        service_account: account that its machines run as; None: the project's default one, and serverless the account
            that starts the batch.
        subnetwork: its network, by the name of a subnetwork of the region or by `projects/…/subnetworks/…`; None: the
            network `default`, which not every project has.
    """

    region: Annotated[str, Field(pattern=r"^[a-z]+-[a-z]+[0-9]+$")] = "asia-southeast2"
    machine_type: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")] = "e2-standard-2"
    service_account: Email | None = None
    subnetwork: (
        Annotated[str, Field(pattern=r"^(projects/[^/\s]+/regions/[^/\s]+/subnetworks/)?[a-z]([a-z0-9-]*[a-z0-9])?$")]
        | None
    ) = None
