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
from pydantic import AfterValidator, Field, SecretStr, ValidationError, model_validator

from lumbung.core.errors import SettingError
from lumbung.core.setting_groups import ROOT as ROOT
from lumbung.core.setting_groups import (
    AbsolutePath,
    Activity,
    Api,
    Azure,
    ContractEvents,
    Dataproc,
    Group,
    HttpUrl,
    Kafka,
    Notify,
    SchemaRegistry,
    Search,
    Spark,
    X,
    server_url,
)

PREFIX = "LUMBUNG_"
LOCAL_PROJECT = "local"
EMULATOR_VARIABLE = "BIGQUERY_EMULATOR_HOST"
# Where tweets come from, or that this process collects none, since services do.
TweetSource = Literal["synthetic", "archive", "x"]
TWEET_SOURCES: tuple[TweetSource, ...] = get_args(TweetSource)
NO_SOURCE: Final = "none"
# Who logs in to Airflow: this user, by whom commands do, and those that a setting names.
AIRFLOW_ADMIN = "admin"
AIRFLOW_ROLES = ("admin", "viewer")
# Of a container on Azure; its account may be that of a national cloud.
AZ_URI = re.compile(r"az://[a-z0-9](-?[a-z0-9]){2,62}(/[^?#]*)?")
ABFSS_URI = re.compile(r"abfss://[a-z0-9](-?[a-z0-9]){2,62}@(?P<account>[a-z0-9]{3,24})\.dfs\.[a-z0-9.]+(/[^?#]*)?")
# What a group is named after has its group's name: LUMBUNG_KAFKA is where Kafka is.
NAMESAKES = {
    ("kafka", "servers"): "kafka",
    ("schema_registry", "url"): "schema_registry",
    ("search", "url"): "search",
    ("spark", "engine"): "spark",
}


def _without_path(source: str) -> str:
    if source == "archive":
        raise ValueError("an archive needs a path, so choose it for a single run")
    return source


def _postgres(dsn: SecretStr) -> SecretStr:
    if not re.match(r"^postgres(ql)?://", dsn.get_secret_value()):
        raise ValueError("must look like postgresql://user:password@host:5432/database")
    return dsn


def _with_login(url: SecretStr) -> SecretStr:
    if not re.match(r"^https?://[^:@/\s]+:[^@/\s]+@[^@/\s]+$", url.get_secret_value()):
        raise ValueError("must look like http://user:password@host:8080")
    return url


def _users(text: str) -> str:
    roles_of_users(text)
    return text


def roles_of_users(text: str) -> dict[str, str]:
    """The role of each user in a text such as `rani:viewer,budi:admin`.

    Raises:
        ValueError: it is malformed, or a user is named twice; names that differ in case alone are taken for one.
    """
    roles: dict[str, str] = {}
    names = {AIRFLOW_ADMIN}
    # Docker Compose hands Airflow the text as it stands, and Airflow stops at an entry without a role.
    for entry in [part.strip() for part in text.split(",")] if text else []:
        name, _, role = entry.partition(":")
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._@-]*", name) or role not in AIRFLOW_ROLES:
            raise ValueError(f"{entry!r} is not name:role; roles are {' and '.join(AIRFLOW_ROLES)}")
        if name.casefold() in names:
            always = " without being named" if name.casefold() == AIRFLOW_ADMIN else ""
            raise ValueError(f"{name} is there already{always}: name each user once")
        names.add(name.casefold())
        roles[name] = role
    return roles


class Settings(Group):
    """The settings of one process; relative paths start at the checkout.

    Attributes:
        home: folder of all local state.
        data_source: folder with the source files and the seed of the embedded PostgreSQL.
        source_dsn: the source PostgreSQL; None: the embedded one.
        lake_uri: `file://`, `gs://`, `az://` or `abfss://` address of the lake; default: `lake` under `home`.
        project: the BigQuery project; None: the local server.
        location: where the data sets are made.
        dataset_prefix: put before every data set's name, so that a team shares one project.
        max_bytes_billed: bytes a query may bill before BigQuery refuses it; None: no bound.
        consistent_views: whether views show one version of all tables at any time, see `pipeline/consistent.py`.
        emulator_host: address of a running local BigQuery server; None: the embedded one.
        airflow_url: a running Airflow, with user and password; None: one is started when it is needed.
        airflow_users: users of the Airflow that is started, beside `admin`: `name:role,…`.
        spool: folder that collected tweets wait in; default: `spool` under `home`.
        tweet_source: where the DAG `tweets` collects from by default; `none`: services collect and ship.
        kibana: address of a Kibana.
        notify: who hears of runs that failed or are late.
        azure: Azure, where the lake is there.
        x: the X API.
        kafka: Kafka.
        activity: activity of students.
        contract_events: contracts and the events of their changes.
        schema_registry: the registry of the events' schema.
        search: Elasticsearch.
        api: the API that serves models.
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
    airflow_users: Annotated[str, AfterValidator(_users)] = ""
    spool: AbsolutePath = Field(default_factory=lambda data: data["home"] / "spool")
    tweet_source: Annotated[Literal[TweetSource, "none"], AfterValidator(_without_path)] = "synthetic"
    kibana: Annotated[str, AfterValidator(server_url)] | None = None
    notify: Notify = Notify()
    azure: Azure = Azure()
    x: X = X()
    kafka: Kafka = Kafka()
    activity: Activity = Activity()
    contract_events: ContractEvents = ContractEvents()
    schema_registry: SchemaRegistry = SchemaRegistry()
    search: Search = Search()
    api: Api = Api()
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
            (parts.scheme == "file" and not parts.netloc and parts.path)
            or (parts.scheme == "gs" and parts.netloc)
            or AZ_URI.fullmatch(self.lake_uri)
            or ABFSS_URI.fullmatch(self.lake_uri)
        ):
            raise ValueError(
                "LUMBUNG_LAKE_URI must be file:///folder, gs://bucket/folder, az://container/folder or"
                " abfss://container@account.dfs.core.windows.net/folder"
            )
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
        if (self.schema_registry.username is None) != (self.schema_registry.password is None):
            raise ValueError(
                "LUMBUNG_SCHEMA_REGISTRY_USERNAME and LUMBUNG_SCHEMA_REGISTRY_PASSWORD go together; set both or none"
            )
        return self

    @model_validator(mode="after")
    def _azure_signs_in(self) -> Self:
        if not self.is_lake_on_azure:
            return self
        account, connection = self.azure.account, self.azure.connection_string
        connected = self.azure.connected_account
        if named := ABFSS_URI.fullmatch(self.lake_uri):
            for variable_name, other in (("ACCOUNT", account), ("CONNECTION_STRING", connected)):
                if other not in (None, named["account"]):
                    raise ValueError(
                        f"LUMBUNG_LAKE_URI and LUMBUNG_AZURE_{variable_name} name two accounts,"
                        f" {named['account']} and {other}"
                    )
        elif (account is None) == (connection is None):
            raise ValueError(
                "a LUMBUNG_LAKE_URI of az:// needs LUMBUNG_AZURE_CONNECTION_STRING or LUMBUNG_AZURE_ACCOUNT; set one"
            )
        elif self.spark.engine.startswith("sc://"):
            raise ValueError(
                "LUMBUNG_SPARK names a Spark Connect server, which reads the lake by itself and does not know az://:"
                " give LUMBUNG_LAKE_URI as abfss://container@account.dfs.core.windows.net/folder"
            )
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
    def airflow_roles(self) -> dict[str, str]:
        """The role of each user of the Airflow that is started."""
        return {AIRFLOW_ADMIN: "admin", **roles_of_users(self.airflow_users)}

    @property
    def lake_folder(self) -> Path | None:
        """The lake's folder; None where the lake is a store of objects."""
        parts = urlsplit(self.lake_uri)
        return Path(unquote(parts.path)) if parts.scheme == "file" else None

    @property
    def is_lake_on_azure(self) -> bool:
        """Whether the lake is a container of Azure Blob Storage."""
        return urlsplit(self.lake_uri).scheme in ("az", "abfss")

    @property
    def bigquery_reads_lake(self) -> bool:
        """Whether load jobs read the lake's files by address; else they are uploaded with the job."""
        return urlsplit(self.lake_uri).scheme == "gs"

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
