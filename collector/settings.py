"""Every setting of the collector: one table, from which flags, environment and the README's table are made."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

from collector.errors import StartError

ENVIRONMENT_PREFIX = "OTEL_INTERACTIONS_"
_DAY = 86_400.0  # seconds
_KINDS = {str(int): "integer", str(float): "number", str(str): "text", str(Path): "folder"}
_SECRET = {"clickhouse_url"}  # may hold a password; never repeated in a message


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
    host: str = Field("127.0.0.1", description="Address to listen on; loopback unless told otherwise.")
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
    decode: Literal["clickhouse", "collector"] = Field(
        "clickhouse",
        description="Who decodes OTLP for a ClickHouse server: the server, or, where it cannot read protobuf, "
        "the collector's own embedded engine.",
    )
    batch_items: int = Field(10_000, ge=1, description="Spans and log records after which a batch is loaded.")
    batch_seconds: float = Field(
        1.0, gt=0, le=_DAY, description="Age in seconds at which a batch is loaded, however small."
    )
    batch_bytes: int = Field(32 << 20, ge=1, description="Bytes after which a batch is loaded.")
    max_request_bytes: int = Field(
        64 << 20, ge=1, description="Largest request in bytes, counted after decompression (OTLP recommends 64 MiB)."
    )
    session_idle_seconds: float = Field(
        1800.0,
        gt=0,
        le=365 * _DAY,
        description="Seconds without activity after which a session nobody ended reads as abandoned.",
    )
    drain_seconds: float = Field(
        30.0,
        ge=0,
        le=_DAY,
        description="Seconds to load what waits after SIGTERM; the rest stays in the journal for the next start.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Lowest level that is logged.")

    @field_validator("host")
    @classmethod
    def _loopback_only(cls, host: str) -> str:
        """Refuse what other machines reach, as long as nothing asks them for a key."""
        try:
            loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
        except ValueError as error:
            raise ValueError("it must be an IP address or localhost") from error
        if not loopback:
            raise ValueError("other machines reach it, and this version has no keys to ask them for; use 127.0.0.1")
        return host

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
    default = "~/.local/share/otel-interactions" if name == "data_dir" else str(field.default or "none")
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
