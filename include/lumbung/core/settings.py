"""Settings: environment variables, or `.env` in the checkout. `.env.example` explains each."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import unquote, urlsplit

from dotenv import dotenv_values
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator

from lumbung.core.errors import SettingError

ROOT = Path(__file__).resolve().parents[3]
PREFIX = "LUMBUNG_"
LOCAL_PROJECT = "local"
EMULATOR_VARIABLE = "BIGQUERY_EMULATOR_HOST"


class Settings(BaseModel):
    """The settings of one process; relative paths start at the checkout.

    Attributes:
        home: folder of all local state.
        data_source: folder with the CSV and JSON sources and the seed of the embedded PostgreSQL.
        source_dsn: a PostgreSQL with the table `course_enrollment`; None: the embedded one.
        lake_uri: `file://` or `gs://` address of the lake; default: `lake` under `home`.
        project: the BigQuery project; None: the local server.
        location: where the data sets are made.
        dataset_prefix: put before every data set's name, so that a team shares one project.
        max_bytes_billed: bytes a query may bill before BigQuery refuses it; None: no bound.
        emulator_host: address of a running local BigQuery server; None: the embedded one.
        airflow_url: a running Airflow, with user and password; None: one is started when it is needed.
        notify_email: address that failed runs are mailed to (Airflow connection `smtp_default`).
        notify_webhook: address that failed runs are posted to as JSON.
        spool: folder that collected tweets wait in; default: `spool` under `home`.
        x_bearer_token: the app's bearer token for the X API.
        x_max_usd: US dollars the X API may cost in a calendar month of Jakarta.
        x_url: address of the X API.
        tweet_source: where the DAG `tweets` collects from unless it is told; `none`: services collect and ship.
        kafka: bootstrap servers of Kafka; None: a broker of this machine's own.
        kafka_username: user of a Kafka that asks for one.
        kafka_password: its password.
        kafka_security_protocol: how Kafka is spoken to; default: SASL_SSL with a user, PLAINTEXT without.
        kafka_sasl_mechanism: how the user is proven.
        kafka_ca: file of the authorities whose certificates Kafka may show; default: the machine's.
        kafka_topic: the topic of tweets; `<topic>.done` and `<topic>.dead` stand beside it.
        search: address of an Elasticsearch server; None: tweets are not indexed.
        search_username: who signs in there and at Kibana, with `search_password` or else `search_api_key`.
        search_password: see `search_username`.
        search_api_key: see `search_username`.
        search_ca: file with the certificate authority of a server that has its own.
        search_alias: what readers search; put before every index's name, so that a team shares one server.
        kibana: address of a Kibana.
        spark: what cleans tweets: `sail`, a Spark Connect server (`sc://host:port`), `dataproc`, `dataproc-serverless`.
        dataproc_region: region of Dataproc.
        dataproc_machine_type: machine of the cluster's one node.
        dataproc_service_account: account that Dataproc's machines run as; None: the project's default one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    home: Path = Path(".lumbung")
    data_source: Path = Path("data-source")
    source_dsn: SecretStr | None = None
    lake_uri: str = ""
    project: Annotated[str, Field(pattern=r"^[a-z][a-z0-9:.-]{4,61}[a-z0-9]$")] | None = None
    location: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")] = "US"
    dataset_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]*$", max_length=64)] = ""
    max_bytes_billed: Annotated[int, Field(gt=0)] | None = None
    emulator_host: Annotated[str, Field(pattern=r"^https?://[^/\s]+$")] | None = None
    airflow_url: SecretStr | None = None
    notify_email: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")] | None = None
    notify_webhook: Annotated[SecretStr, Field()] | None = None
    spool: Path = Field(default_factory=lambda data: data["home"] / "spool")
    x_bearer_token: SecretStr | None = None
    x_max_usd: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 5
    x_url: Annotated[str, Field(pattern=r"^https?://[^/\s]+$")] = "https://api.x.com"
    tweet_source: Literal["synthetic", "x", "none"] = "synthetic"
    kafka: Annotated[str, Field(pattern=r"^[^\s,/]+:\d+(,[^\s,/]+:\d+)*$")] | None = None
    kafka_username: str | None = None
    kafka_password: SecretStr | None = None
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] | None = None
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    kafka_ca: Path | None = None
    kafka_topic: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=200)] = "investasi"
    search: str | None = None
    search_username: str | None = None
    search_password: SecretStr | None = None
    search_api_key: SecretStr | None = None
    search_ca: Path | None = None
    search_alias: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$", max_length=64)] = "tweet"
    kibana: str | None = None
    spark: Annotated[str, Field(pattern=r"^(sail|dataproc|dataproc-serverless|sc://[^/;\s]+(/;\S*)?)$")] = "sail"
    dataproc_region: Annotated[str, Field(pattern=r"^[a-z]+-[a-z]+[0-9]+$")] = "asia-southeast2"
    dataproc_machine_type: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")] = "e2-standard-2"
    dataproc_service_account: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")] | None = None

    @field_validator("home", "data_source", "spool", "kafka_ca", "search_ca")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        return path and (ROOT / path.expanduser()).resolve()

    @field_validator("source_dsn")
    @classmethod
    def _postgres(cls, dsn: SecretStr | None) -> SecretStr | None:
        if dsn and not re.match(r"^postgres(ql)?://", dsn.get_secret_value()):
            raise ValueError("must look like postgresql://user:password@host:5432/database")
        return dsn

    @field_validator("airflow_url")
    @classmethod
    def _with_login(cls, url: SecretStr | None) -> SecretStr | None:
        if url and not re.match(r"^https?://[^:@/\s]+:[^@/\s]+@[^@/\s]+$", url.get_secret_value()):
            raise ValueError("must look like http://user:password@host:8080")
        return url

    @field_validator("notify_webhook")
    @classmethod
    def _http(cls, url: SecretStr | None) -> SecretStr | None:
        if url and urlsplit(url.get_secret_value()).scheme not in ("http", "https"):
            raise ValueError("must be an http:// or https:// address")
        return url

    @field_validator("x_bearer_token")
    @classmethod
    def _header(cls, token: SecretStr | None) -> SecretStr | None:
        if token and not re.fullmatch(r"[A-Za-z0-9%._~+/=-]+", token.get_secret_value()):
            raise ValueError("has characters that no bearer token has")
        return token

    @field_validator("x_url")
    @classmethod
    def _encrypted(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme == "http" and parts.hostname not in ("127.0.0.1", "localhost"):
            raise ValueError("must be an https:// address: the token goes there")
        return url

    @field_validator("search_ca")
    @classmethod
    def _file(cls, path: Path | None) -> Path | None:
        if path and not (ROOT / path.expanduser()).is_file():
            raise ValueError(f"there is no file {path}")
        return path and (ROOT / path.expanduser()).resolve()

    @field_validator("search", "kibana")
    @classmethod
    def _server(cls, url: str | None) -> str | None:
        parts = urlsplit(url or "http://none")
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("must look like https://host:port")
        if parts.username is not None:
            raise ValueError("must hold no user and password; LUMBUNG_SEARCH_USERNAME and _PASSWORD are for that")
        return url

    @model_validator(mode="after")
    def _sign_in(self) -> Self:
        if (self.search_username is None) != (self.search_password is None):
            raise ValueError("LUMBUNG_SEARCH_USERNAME and LUMBUNG_SEARCH_PASSWORD go together")
        if self.search_username and self.search_api_key:
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
        if self.spark.startswith("dataproc") and not (self.project and parts.scheme == "gs"):
            raise ValueError(
                "LUMBUNG_SPARK names Dataproc, which needs LUMBUNG_PROJECT and a LUMBUNG_LAKE_URI of gs://"
            )
        if self.project and self.emulator_host:
            raise ValueError(
                f"LUMBUNG_PROJECT names a real project and {EMULATOR_VARIABLE} a local server; set one of them"
            )
        if (self.kafka_username is None) != (self.kafka_password is None):
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


def variable(field: str) -> str:
    """The environment variable of a setting."""
    return EMULATOR_VARIABLE if field == "emulator_host" else PREFIX + field.upper()


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
    known = {variable(field): field for field in Settings.model_fields}
    for name in environ:
        if name.startswith(PREFIX) and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise SettingError(
                "no such setting", where=name, remedy=f"did you mean {near[0]}?" if near else "see .env.example"
            )
    try:
        return Settings.model_validate({field: environ[name] for name, field in known.items() if environ.get(name)})
    except ValidationError as error:
        fault = error.errors()[0]
        where = variable(str(fault["loc"][0])) if fault["loc"] else "settings"
        message = fault["msg"].removeprefix("Value error, ")
        raise SettingError(message, where=where, remedy="see .env.example") from None
