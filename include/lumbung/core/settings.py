"""Settings: environment variables, or `.env` in the checkout. `.env.example` explains each.

A setting's name is its variable's in lower case without the prefix, such as `kafka_topic` for LUMBUNG_KAFKA_TOPIC;
in `Settings` it stands in the group of its service, such as `settings.kafka.topic`.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, get_args
from urllib.parse import unquote, urlsplit

from dotenv import dotenv_values
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from lumbung.core.errors import SettingError

ROOT = Path(__file__).resolve().parents[3]
PREFIX = "LUMBUNG_"
LOCAL_PROJECT = "local"
EMULATOR_VARIABLE = "BIGQUERY_EMULATOR_HOST"
# Where tweets come from, or that this process collects none, since services do.
TweetSource = Literal["synthetic", "archive", "x"]
TWEET_SOURCES: tuple[TweetSource, ...] = get_args(TweetSource)
NO_SOURCE: Final = "none"
# What a group is named after has its group's name: LUMBUNG_KAFKA is where Kafka is.
NAMESAKES = {("kafka", "servers"): "kafka", ("search", "url"): "search", ("spark", "engine"): "spark"}


def _without_path(source: str) -> str:
    if source == "archive":
        raise ValueError("an archive needs a path, so choose it for a single run")
    return source


def _absolute(path: Path) -> Path:
    return (ROOT / path.expanduser()).resolve()


def _existing_file(path: Path) -> Path:
    if not _absolute(path).is_file():
        raise ValueError(f"there is no file {path}")
    return _absolute(path)


def _postgres(dsn: SecretStr) -> SecretStr:
    if not re.match(r"^postgres(ql)?://", dsn.get_secret_value()):
        raise ValueError("must look like postgresql://user:password@host:5432/database")
    return dsn


def _with_login(url: SecretStr) -> SecretStr:
    if not re.match(r"^https?://[^:@/\s]+:[^@/\s]+@[^@/\s]+$", url.get_secret_value()):
        raise ValueError("must look like http://user:password@host:8080")
    return url


def _webhook(url: SecretStr) -> SecretStr:
    if urlsplit(url.get_secret_value()).scheme not in ("http", "https"):
        raise ValueError("must be an http:// or https:// address")
    return url


def _header(token: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[A-Za-z0-9%._~+/=-]+", token.get_secret_value()):
        raise ValueError("has characters that no bearer token has")
    return token


def _encrypted(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme == "http" and parts.hostname not in ("127.0.0.1", "localhost"):
        raise ValueError("must be an https:// address: the token goes there")
    return url


def _server(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("must look like https://host:port")
    if parts.username is not None:
        raise ValueError("must hold no user and password; LUMBUNG_SEARCH_USERNAME and _PASSWORD are for that")
    return url


AbsolutePath = Annotated[Path, AfterValidator(_absolute)]
ExistingFile = Annotated[Path, AfterValidator(_existing_file)]
HttpUrl = Annotated[str, Field(pattern=r"^https?://[^/\s]+$")]
Email = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")]


class Group(BaseModel):
    """Settings that belong together."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class Notify(Group):
    """Who hears of failed runs.

    Attributes:
        email: address that failed runs are mailed to (Airflow connection `smtp_default`).
        webhook: address that failed runs are posted to as JSON.
    """

    email: Email | None = None
    webhook: Annotated[SecretStr, AfterValidator(_webhook)] | None = None


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

    url: Annotated[str, AfterValidator(_server)] | None = None
    username: str | None = None
    password: SecretStr | None = None
    api_key: SecretStr | None = None
    ca: ExistingFile | None = None
    alias: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$", max_length=64)] = "tweet"


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


class Settings(Group):
    """The settings of one process; relative paths start at the checkout.

    Attributes:
        home: folder of all local state.
        data_source: folder with the source files and the seed of the embedded PostgreSQL.
        source_dsn: the source PostgreSQL; None: the embedded one.
        lake_uri: `file://` or `gs://` address of the lake; default: `lake` under `home`.
        project: the BigQuery project; None: the local server.
        location: where the data sets are made.
        dataset_prefix: put before every data set's name, so that a team shares one project.
        max_bytes_billed: bytes a query may bill before BigQuery refuses it; None: no bound.
        consistent_views: whether views show one version of all tables at any time, see `pipeline/consistent.py`.
        emulator_host: address of a running local BigQuery server; None: the embedded one.
        airflow_url: a running Airflow, with user and password; None: one is started when it is needed.
        spool: folder that collected tweets wait in; default: `spool` under `home`.
        tweet_source: where the DAG `tweets` collects from by default; `none`: services collect and ship.
        kibana: address of a Kibana.
        notify: who hears of failed runs.
        x: the X API.
        kafka: Kafka.
        search: Elasticsearch.
        spark: Spark.
        dataproc: Dataproc.
    """

    home: AbsolutePath = Path(".lumbung")
    data_source: AbsolutePath = Path("data-source")
    source_dsn: Annotated[SecretStr, AfterValidator(_postgres)] | None = None
    lake_uri: str = ""
    project: Annotated[str, Field(pattern=r"^[a-z][a-z0-9:.-]{4,61}[a-z0-9]$")] | None = None
    location: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")] = "US"
    dataset_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]*$", max_length=64)] = ""
    max_bytes_billed: Annotated[int, Field(gt=0)] | None = None
    consistent_views: bool = False
    emulator_host: HttpUrl | None = None
    airflow_url: Annotated[SecretStr, AfterValidator(_with_login)] | None = None
    spool: AbsolutePath = Field(default_factory=lambda data: data["home"] / "spool")
    tweet_source: Annotated[Literal[TweetSource, "none"], AfterValidator(_without_path)] = "synthetic"
    kibana: Annotated[str, AfterValidator(_server)] | None = None
    notify: Notify = Notify()
    x: X = X()
    kafka: Kafka = Kafka()
    search: Search = Search()
    spark: Spark = Spark()
    dataproc: Dataproc = Dataproc()

    @model_validator(mode="after")
    def _search_signs_in(self) -> Self:
        if (self.search.username is None) != (self.search.password is None):
            raise ValueError("LUMBUNG_SEARCH_USERNAME and LUMBUNG_SEARCH_PASSWORD go together")
        if self.search.username and self.search.api_key:
            raise ValueError("set LUMBUNG_SEARCH_API_KEY or LUMBUNG_SEARCH_USERNAME, not both")
        return self

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.lake_uri:
            object.__setattr__(self, "lake_uri", (self.home / "lake").as_uri())
        parts = urlsplit(self.lake_uri)
        if not (
            (parts.scheme == "file" and not parts.netloc and parts.path) or (parts.scheme == "gs" and parts.netloc)
        ):
            raise ValueError("LUMBUNG_LAKE_URI must be file:///folder or gs://bucket/folder")
        if self.spark.engine.startswith("dataproc") and not (self.project and parts.scheme == "gs"):
            raise ValueError(
                "LUMBUNG_SPARK names Dataproc, which needs LUMBUNG_PROJECT and a LUMBUNG_LAKE_URI of gs://"
            )
        if self.project and self.emulator_host:
            raise ValueError(
                f"LUMBUNG_PROJECT names a real project and {EMULATOR_VARIABLE} a local server; set one of them"
            )
        if (self.kafka.username is None) != (self.kafka.password is None):
            raise ValueError("LUMBUNG_KAFKA_USERNAME and LUMBUNG_KAFKA_PASSWORD go together; set both or none")
        return self

    @property
    def warehouse(self) -> Literal["bigquery", "server", "embedded"]:
        """Which warehouse a run uses: a real project, a local server given by address, or the embedded one."""
        return "bigquery" if self.project else "server" if self.emulator_host else "embedded"

    @property
    def project_id(self) -> str:
        """The project whose tables are written; the local server's is `local`."""
        return self.project or LOCAL_PROJECT

    @property
    def lake_folder(self) -> Path | None:
        """The lake's folder; None where the lake is a bucket."""
        parts = urlsplit(self.lake_uri)
        return Path(unquote(parts.path)) if parts.scheme == "file" else None

    @classmethod
    def of(cls, **values: Any) -> Self:
        """Settings from values by the settings' names; those not given have their defaults.

        Raises:
            ValidationError: a value is wrong.
        """
        nested: dict[str, Any] = {}
        for name, value in values.items():
            group, field = NAMES[name]
            (nested.setdefault(group, {}) if group else nested)[field] = value
        return cls.model_validate(nested)

    def replace(self, **values: Any) -> Self:
        """The settings with other values, by the settings' names; they are not validated.

        Example:
            `settings.replace(kafka="localhost:9092", emulator_host=address)`
        """
        changed: dict[str, Any] = {}
        for name, value in values.items():
            group, field = NAMES[name]
            if group:
                changed[group] = changed.get(group, getattr(self, group)).model_copy(update={field: value})
            else:
                changed[field] = value
        return self.model_copy(update=changed)

    def value(self, name: str) -> Any:
        """The value of a setting by its name."""
        group, field = NAMES[name]
        return getattr(getattr(self, group) if group else self, field)


def _names() -> dict[str, tuple[str, str]]:
    names = {}
    for field, info in Settings.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, Group):
            for inner in info.annotation.model_fields:
                names[NAMESAKES.get((field, inner), f"{field}_{inner}")] = (field, inner)
        else:
            names[field] = ("", field)
    return names


NAMES = _names()
"""Every setting's name, and where it stands in `Settings`: group (or empty) and field."""


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return EMULATOR_VARIABLE if name == "emulator_host" else PREFIX + name.upper()


def environment() -> dict[str, str]:
    """The process's environment over the checkout's `.env`; an empty value counts as not set."""
    merged = {**dotenv_values(ROOT / ".env"), **os.environ}
    return {name: value for name, value in merged.items() if value}


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings.

    Args:
        environ: variables to read instead of the process's and `.env`'s.

    Raises:
        SettingError: a setting is unknown or wrong; the message names the variable.
    """
    environ = environment() if environ is None else environ
    known = {variable(name): name for name in NAMES}
    for name in environ:
        if name.startswith(PREFIX) and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise SettingError(
                "no such setting", where=name, remedy=f"did you mean {near[0]}?" if near else "see .env.example"
            )
    try:
        return Settings.of(**{name: environ[key] for key, name in known.items() if environ.get(key)})
    except ValidationError as error:
        fault = error.errors()[0]
        message = fault["msg"].removeprefix("Value error, ")
        raise SettingError(message, where=_where(fault["loc"]), remedy="see .env.example") from None


def _where(place: tuple[int | str, ...]) -> str:
    """The variable that a validation error is about."""
    names = {address: name for name, address in NAMES.items()}
    group, field = (*map(str, place), "", "")[:2]
    name = names.get((group, field)) or names.get(("", group))
    return variable(name) if name else "settings"
