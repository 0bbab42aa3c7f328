"""Every setting of the collector: one table, from which flags, environment and the README's table are made."""

from __future__ import annotations

import ipaddress
import math
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

from collector.errors import StartError

ENVIRONMENT_PREFIX = "OTEL_INTERACTIONS_"
_DAY = 86_400.0  # seconds
_KINDS = {
    str(int): "integer",
    str(float): "number",
    str(str): "text",
    str(Path): "folder",
    str(Path | None): "file",
    str(SecretStr | None): "secret",
}
_SECONDS = re.compile(r"\d+(\.\d+)?")
_DAYS = re.compile(r"\d{1,5}")
_MOST_DAYS = 36_500
_OF_SECONDS = ("tenant=seconds", _SECONDS, math.ulp(0.0), 365 * _DAY)  # more than none
_OF_DAYS = ("name=days", _DAYS, 0, _MOST_DAYS)
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s?#@,*]+")
CLUSTER_NAME = re.compile(r"[A-Za-z_][\w.-]{0,62}|\{[A-Za-z_]\w{0,62}\}", re.ASCII)
_LEAST_MEMORY_MIB = 768  # of the embedded ClickHouse; small batches go with less, large ones are not promised
_SECRET = {"clickhouse_url", "jwt_secret"}  # may hold a password; never repeated in a message


def default_data_dir() -> Path:
    """Where data lives when nobody says: the user's data folder (XDG base directories)."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "otel-interactions"


class Settings(BaseSettings):
    """How one collector runs. A field is the flag `--some-name` and the variable OTEL_INTERACTIONS_SOME_NAME."""

    model_config = SettingsConfigDict(env_prefix=ENVIRONMENT_PREFIX, frozen=True, extra="forbid")

    data_dir: Path = Field(
        default_factory=default_data_dir,
        description="Folder of the journal and of the embedded ClickHouse.",
    )
    host: str = Field(
        "127.0.0.1", description="Address to listen on; loopback unless told otherwise, any other demands keys."
    )
    grpc_port: int = Field(4317, ge=0, le=65535, description="Port of OTLP/gRPC; 0 picks a free one.")
    http_port: int = Field(4318, ge=0, le=65535, description="Port of OTLP/HTTP and /health; 0 picks a free one.")
    sql_port: int = Field(
        8123,
        ge=0,
        le=65535,
        description="Port of the read-only ClickHouse HTTP interface, embedded mode only; 0 picks a free one.",
    )
    clickhouse_url: SecretStr | None = Field(
        None,
        description="A ClickHouse server instead of the embedded one: http(s)://user:password@host:8123.",
    )
    clickhouse_cluster: str = Field(
        "",
        description="The cluster that this server is a node of, as system.clusters names it, or a macro such as "
        "{cluster}: tables are replicated within its shards and read on all.",
    )
    clickhouse_dictionary_user: SecretStr | None = Field(
        None,
        description="USER:PASSWORD as whom our dictionaries ask the ClickHouse server, where its user default may not "
        "without a password; it has to read otel. It stays on the server, in their definition.",
    )
    clickhouse_memory_mib: int = Field(
        0,
        ge=0,
        description=f"Most memory in MiB of the embedded ClickHouse, {_LEAST_MEMORY_MIB} at the least; 0 is half of "
        "the machine's.",
    )
    grpc_socket: Path | None = Field(
        None, description="A Unix socket for OTLP/gRPC beside the port; only its owner may open it, and it has no TLS."
    )
    http_socket: Path | None = Field(
        None, description="A Unix socket for all the HTTP port serves; only its owner may open it, and it has no TLS."
    )
    tls_cert: Path | None = Field(
        None,
        description="Certificate in PEM: all ports speak TLS with it. The verbs that ask show it where they must.",
    )
    tls_key: Path | None = Field(None, description="Private key of --tls-cert, in PEM, without a password.")
    tls_client_ca: Path | None = Field(
        None, description="CAs in PEM: all ports take only clients whose certificate one of them signed (mTLS)."
    )
    tls_ca: Path | None = Field(
        None,
        description="CAs in PEM by which the verbs that ask verify the collector; by default it must show the very "
        "certificate its data directory names.",
    )
    cors_origins: str = Field(
        "",
        description="Web origins whose pages may send over HTTP, comma separated, such as https://app.example.org; "
        "* is any, without credentials.",
    )
    decode: Literal["clickhouse", "collector"] = Field(
        "clickhouse",
        description="Who decodes OTLP for a ClickHouse server: the server, or, where it cannot read protobuf, "
        "the collector's own embedded engine.",
    )
    batch_items: int = Field(20_000, ge=1, description="Spans and log records after which a batch is loaded.")
    batch_seconds: float = Field(
        1.0, gt=0, le=_DAY, description="Age in seconds at which a batch is loaded, however small."
    )
    batch_bytes: int = Field(32 << 20, ge=1, description="Bytes after which a batch is loaded.")
    parallel_loads: int = Field(
        2,
        ge=1,
        le=16,
        description="Batches inserted at the same time; more pays where a ClickHouse server is far away.",
    )
    max_request_bytes: int = Field(
        64 << 20, ge=1, description="Largest request in bytes, counted after decompression (OTLP recommends 64 MiB)."
    )
    max_field_bytes: int = Field(
        0,
        ge=0,
        description="Bytes beyond which a single text, such as a prompt, is cut, with a marker that gives its length "
        "and SHA-256; 0 keeps whatever fits into a request.",
    )
    journal_max_bytes: int = Field(
        8 << 30,
        ge=1,
        description="Bytes that may wait in the journal; then requests are refused, to be sent again, until some are "
        "loaded.",
    )
    disk_reserve_bytes: int = Field(
        512 << 20,
        ge=0,
        description="Bytes of the journal's disk left free, for the embedded ClickHouse to merge in; below it requests "
        "are refused, to be sent again. 0 reserves nothing.",
    )
    durability: Literal["fsync", "os"] = Field(
        "fsync",
        description="When a request is acknowledged: fsync, once it is on the disk; os, once the operating system has "
        "it, which survives a kill of the process but no power cut.",
    )
    duplicate_window_seconds: float = Field(
        600.0,
        ge=0,
        le=_DAY,
        description="Seconds for which a body that is sent again is recognised, acknowledged and not stored twice. 0 "
        "recognises none.",
    )
    duplicate_window_requests: int = Field(
        200_000,
        ge=1,
        description="The most bodies that are remembered for that, the latest; 100 bytes each, with an Idempotency-Key "
        "300.",
    )
    keys_file: Path | None = Field(
        None,
        description="File of the API keys, which holds hashes only; without it keys.json in the data folder.",
    )
    jwt_secret: SecretStr | None = Field(
        None,
        description="Secret of at least 32 bytes by which users' tokens (JWT, HS256) are verified: their subject reads "
        "its own interactions under /api.",
    )
    jwt_public_key: Path | None = Field(
        None, description="Instead of it a public key in PEM (RS256, ES256 and their like)."
    )
    jwt_jwks_url: str = Field("", description="Instead of it where the issuer publishes its keys (JWKS).")
    jwt_issuer: str = Field("", description="What `iss` of a token must be; empty for anything.")
    jwt_audience: str = Field("", description="What `aud` of a token must hold; empty for anything.")
    jwt_tenant_claim: str = Field(
        "tenant",
        min_length=1,
        description="The claim that says a user's tenant; without it in a token, it is `default`.",
    )
    requests_per_second: float = Field(
        0.0,
        ge=0,
        le=1e9,
        description="Requests a key may send a second unless it has a limit of its own; 0 for no limit.",
    )
    bytes_per_second: float = Field(
        0.0, ge=0, le=1e15, description="Bytes a key may send a second, after decompression, likewise; 0 for no limit."
    )
    burst_seconds: float = Field(
        10.0, ge=0, le=_DAY, description="Seconds' worth of these limits that may come at once."
    )
    memory_limit_mib: int = Field(
        256,
        ge=1,
        description="MiB that requests on their way into the journal may take together; what passes it waits.",
    )
    request_seconds: float = Field(
        60.0, gt=0, le=_DAY, description="Seconds a request may take to arrive; then it is refused, to be sent again."
    )
    max_connections: int = Field(
        1000, ge=1, description="Connections a port keeps open at once; further ones are closed."
    )
    session_idle_seconds: float = Field(
        1800.0,
        gt=0,
        le=365 * _DAY,
        description="Seconds without activity after which a session nobody ended reads as abandoned.",
    )
    tenant_idle_seconds: str = Field(
        "",
        description="Like --session-idle-seconds, for single tenants: acme=600,beta=86400.",
    )
    retention_days: int = Field(
        90,
        ge=0,
        le=_MOST_DAYS,
        description="Days after which what was recorded is deleted, see --archive; 0 keeps it for ever. Daily totals "
        "stay.",
    )
    tenant_retention_days: str = Field("", description="Like --retention-days, for single tenants: acme=30,beta=365.")
    type_retention_days: str = Field(
        "",
        description="Like --retention-days, for single types of interactions, or for `span` (spans that are none), "
        "`log`, `metric`: ui_event=30,log=14. Where a tenant has days of its own, the fewer hold.",
    )
    archive: Literal["on", "off"] = Field(
        "on",
        description="Whether what --retention-days ends is kept in Parquet files in the data folder, or is gone.",
    )
    model_prices: Path | None = Field(
        None,
        description="A CSV file of prices of models to add at the start, with the columns of otel.model_prices.",
    )
    drain_seconds: float = Field(
        30.0,
        ge=0,
        le=_DAY,
        description="Seconds to load what waits after SIGTERM; the rest stays in the journal for the next start.",
    )
    internal_metrics_seconds: float = Field(
        60.0,
        ge=0,
        le=_DAY,
        description="Seconds between two times that the collector stores its own figures, those of /metrics, as "
        "metrics of the tenant default; 0 is never.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Lowest level that is logged.")
    log_format: Literal["text", "json"] = Field("text", description="A log line as text, or as one JSON object.")

    @field_validator("clickhouse_memory_mib")
    @classmethod
    def _enough_memory(cls, mib: int) -> int:
        """Refuse less than is promised to do: it might fail later, on what was acknowledged."""
        if 0 < mib < _LEAST_MEMORY_MIB:
            raise ValueError(f"it must be {_LEAST_MEMORY_MIB} at the least, or 0 for half of the machine's memory")
        return mib

    @field_validator("clickhouse_cluster")
    @classmethod
    def _cluster_name(cls, name: str) -> str:
        """Refuse what SQL could not name so."""
        if name and not CLUSTER_NAME.fullmatch(name):
            raise ValueError("it must be letters, digits, _ . and -, or a macro such as {cluster}")
        return name

    @field_validator("clickhouse_dictionary_user")
    @classmethod
    def _user_and_password(cls, given: SecretStr | None) -> SecretStr | None:
        """Take an empty user for none, as Compose files write it."""
        if not given or not given.get_secret_value():
            return None
        user, colon, _ = given.get_secret_value().partition(":")
        if not user or not colon:
            raise ValueError("it must be a user and a password with a colon between them: reader:secret")
        return given

    @property
    def dictionary_user(self) -> tuple[str, str] | None:
        """As whom dictionaries ask, with the password; None for as ever."""
        if not self.clickhouse_dictionary_user:
            return None
        user, _, password = self.clickhouse_dictionary_user.get_secret_value().partition(":")
        return user, password

    @field_validator("host")
    @classmethod
    def _address(cls, host: str) -> str:
        """Refuse names: which address they mean may change, and with it who can call."""
        if host != "localhost":
            try:
                ipaddress.ip_address(host)
            except ValueError as error:
                raise ValueError("it must be an IP address or localhost") from error
        return host

    @property
    def is_local(self) -> bool:
        """Whether only this machine can call."""
        return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback

    @property
    def key_file(self) -> Path:
        """Where the keys are."""
        return self.keys_file or self.data_dir / "keys.json"

    @field_validator(
        "grpc_socket",
        "http_socket",
        "tls_cert",
        "tls_key",
        "tls_client_ca",
        "tls_ca",
        "model_prices",
        "jwt_secret",
        "jwt_public_key",
        mode="before",
    )
    @classmethod
    def _empty_is_none(cls, path: Any) -> Any:
        """Take an empty path for none, as Compose files write it."""
        return path or None

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, given: str) -> str:
        """Write origins as browsers do, who compare them letter by letter."""
        origins = [origin.strip().lower().rstrip("/") for origin in given.split(",") if origin.strip()]
        if not all(origin == "*" or _ORIGIN.fullmatch(origin) for origin in origins):
            raise ValueError("an origin is scheme://host or scheme://host:port, without a path")
        return ",".join(origins)

    @field_validator("tenant_idle_seconds")
    @classmethod
    def _idle_times(cls, given: str) -> str:
        """Refuse what is no list of tenant=seconds."""
        _pairs(given, *_OF_SECONDS)
        return given

    @property
    def idle_seconds_of_tenant(self) -> dict[str, float]:
        """After how many seconds a session is abandoned, for tenants that have a time of their own."""
        return {tenant: float(seconds) for tenant, seconds in _pairs(self.tenant_idle_seconds, *_OF_SECONDS)}

    @field_validator("tenant_retention_days", "type_retention_days")
    @classmethod
    def _days(cls, given: str) -> str:
        """Refuse what is no list of name=days."""
        _pairs(given, *_OF_DAYS)
        return given

    @property
    def days_of_tenant(self) -> dict[str, int]:
        """For how many days what is kept, for tenants that have days of their own; 0 is for ever."""
        return {tenant: int(days) for tenant, days in _pairs(self.tenant_retention_days, *_OF_DAYS)}

    @property
    def days_of_type(self) -> dict[str, int]:
        """Likewise for types."""
        return {kind: int(days) for kind, days in _pairs(self.type_retention_days, *_OF_DAYS)}

    @field_validator("clickhouse_url")
    @classmethod
    def _http_url(cls, url: SecretStr | None) -> SecretStr | None:
        """Take an empty address for none, as Compose files write it."""
        if url is None or not url.get_secret_value():
            return None
        parts = urlsplit(url.get_secret_value())
        try:
            sound = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError:  # a port that is no number
            sound = False
        if not sound:
            raise ValueError("it must look like http://user:password@host:8123")
        return url

    @property
    def server_url(self) -> str | None:
        """The ClickHouse server's address, with its password; None for the embedded engine."""
        return self.clickhouse_url.get_secret_value() if self.clickhouse_url else None

    @property
    def cluster(self) -> str:
        """The cluster the server is a node of, "" for none.

        Raises:
            StartError: there is no server.
        """
        if self.clickhouse_cluster and not self.server_url:
            raise StartError(
                f"--clickhouse-cluster {self.clickhouse_cluster} is given and no server",
                hint="name a node of the cluster with --clickhouse-url; the embedded ClickHouse is no cluster",
            )
        return self.clickhouse_cluster

    @property
    def database(self) -> str:
        """Which ClickHouse it is, to people: "embedded", or the server's host and port."""
        return urlsplit(self.server_url).netloc.rpartition("@")[2] if self.server_url else "embedded"

    @model_validator(mode="after")
    def _one_trust(self) -> Settings:
        """Refuse two ways to verify a token: which one holds would depend on the token."""
        ways = {
            "--jwt-secret": self.jwt_secret,
            "--jwt-public-key": self.jwt_public_key,
            "--jwt-jwks-url": self.jwt_jwks_url,
        }
        if len(given := [flag for flag, value in ways.items() if value]) > 1:
            raise StartError(f"{' and '.join(given)} are given", hint="tokens are verified in one way")
        return self

    @model_validator(mode="after")
    def _largest_request_fits(self) -> Settings:
        """Refuse a memory limit that the largest request allowed would never fit in."""
        if self.memory_limit_mib << 20 < self.max_request_bytes:
            raise StartError(
                f"--memory-limit-mib {self.memory_limit_mib} has no room for one request of --max-request-bytes "
                f"{self.max_request_bytes}",
                hint="raise the one or lower the other",
            )
        return self


def _pairs(given: str, form: str, number: re.Pattern[str], least: float, most: float) -> list[tuple[str, str]]:
    """Read a list of name=number.

    Args:
        given: the list, with commas between its members.
        form: what is said that a member is.
        number: how one is written.
        least: what it is at least.
        most: what it is at most.

    Raises:
        ValueError: a member is none.
    """
    pairs = [each.partition("=") for each in given.split(",") if each]
    named = [(name.strip(), text.strip()) for name, _, text in pairs]
    if not all(name and number.fullmatch(text) and least <= float(text) <= most for name, text in named):
        raise ValueError(f"it is {form}, and of several with commas between them")
    return named


@dataclass(frozen=True, slots=True)
class Row:
    """One setting as people read of it: flag, variable, what it takes, its default, a sentence."""

    flag: str
    variable: str
    kind: str
    default: str
    sentence: str


def table() -> dict[str, Row]:
    """Return every setting by name; the command line's help and README's table are made of it."""
    return {name: _row(name, field) for name, field in Settings.model_fields.items()}


def _row(name: str, field: FieldInfo) -> Row:
    choices = get_args(field.annotation)
    literal = bool(choices) and isinstance(choices[0], str)
    kind = "|".join(choices) if literal else _KINDS.get(str(field.annotation), "url")
    default = "none" if field.default in {None, ""} else str(field.default)
    if name == "data_dir":
        default = "~/.local/share/otel-interactions"
    flag = "--" + name.replace("_", "-")
    return Row(flag, ENVIRONMENT_PREFIX + name.upper(), kind, default, field.description or "")


def load(**given: Any) -> Settings:
    """Build the settings from flags (those not None) over the environment over the defaults.

    Raises:
        StartError: a value is not allowed; the sentence names the setting and what is.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        row, shown = table()[name], "what it is" if name in _SECRET else repr(first["input"])
        reason = first["msg"].removeprefix("Value error, ")
        raise StartError(
            f"{row.flag} ({row.variable}) cannot be {shown}: {reason[:1].lower()}{reason[1:]}",
            hint="otel-interactions serve --help lists what each setting takes",
        ) from error
