"""Every setting of the collector: one table, from which flags, environment and the README's table are made."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from collector.errors import StartError

ENVIRONMENT_PREFIX = "OTEL_INTERACTIONS_"


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
    batch_items: int = Field(10_000, ge=1, description="Spans and log records after which a batch is loaded.")
    batch_seconds: float = Field(1.0, gt=0, description="Age in seconds at which a batch is loaded, however small.")
    batch_bytes: int = Field(32 << 20, ge=1, description="Bytes after which a batch is loaded.")
    max_request_bytes: int = Field(
        64 << 20, ge=1, description="Largest request in bytes, counted after decompression (OTLP recommends 64 MiB)."
    )
    session_idle_seconds: float = Field(
        1800.0, gt=0, description="Seconds without activity after which a session nobody ended reads as abandoned."
    )
    drain_seconds: float = Field(
        30.0,
        ge=0,
        description="Seconds to load what waits after SIGTERM; the rest stays in the journal for the next start.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Lowest level that is logged.")


def load(**given: Any) -> Settings:
    """Build the settings from flags (those not None) over the environment over the defaults.

    Raises:
        StartError: a value is not allowed; the sentence names the setting and what is.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else "settings"
        flag = "--" + name.replace("_", "-")
        raise StartError(
            f"{flag} ({ENVIRONMENT_PREFIX}{name.upper()}) cannot be {first['input']!r}: {first['msg'].lower()}",
            hint="otel-interactions serve --help lists what each setting takes",
        ) from error
