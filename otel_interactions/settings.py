"""Every setting of the SDK, one row each: argument, environment variables, type, default, sentence.

An argument of `configure()` wins over the environment, the environment over the default. Variables that begin with
`OTEL_INTERACTIONS_` are read here; the others are OpenTelemetry's and are read by its own classes, so they mean what
OpenTelemetry says.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

from otel_interactions.errors import ConfigurationError

_TRUE: Final = frozenset({"1", "true", "yes", "on"})
_FALSE: Final = frozenset({"0", "false", "no", "off"})

PROTOCOLS: Final = ("grpc", "http/protobuf")


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table of settings."""

    name: str
    """The argument of `configure()`; empty where only the environment sets it."""
    env: tuple[str, ...]
    """Its environment variables; the first that is set wins."""
    type: str
    default: str
    sentence: str


SETTINGS: Final = (
    Setting("enabled", ("OTEL_INTERACTIONS_ENABLED",), "bool", "true", "Record at all."),
    Setting(
        "capture_content",
        ("OTEL_INTERACTIONS_CAPTURE_CONTENT",),
        "bool",
        "true",
        "Record what was said: message texts, transcripts, tool arguments and results; off keeps only their lengths.",
    ),
    Setting(
        "service_name",
        ("OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES"),
        "str",
        "unknown_service:<executable>",
        "The name of the application.",
    ),
    Setting("service_version", ("OTEL_RESOURCE_ATTRIBUTES",), "str", "", "The version of the application."),
    Setting(
        "environment",
        ("OTEL_RESOURCE_ATTRIBUTES",),
        "str",
        "",
        "Where it runs: production, staging (`deployment.environment.name`).",
    ),
    Setting(
        "resource_attributes",
        ("OTEL_RESOURCE_ATTRIBUTES",),
        "mapping",
        "",
        "More attributes of the application, on everything it sends.",
    ),
    Setting(
        "endpoint",
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"),
        "url",
        "http://localhost:4317 (grpc), http://localhost:4318 (http/protobuf)",
        "The collector; https:// switches TLS on.",
    ),
    Setting(
        "protocol",
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"),
        "grpc | http/protobuf",
        "grpc",
        "How to speak to the collector.",
    ),
    Setting(
        "headers",
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"),
        "mapping",
        "",
        "Headers of each request to the collector, for its keys.",
    ),
    Setting("", ("OTEL_SDK_DISABLED",), "bool", "false", "Switch OpenTelemetry, and so this SDK, off."),
    Setting("", ("OTEL_EXPORTER_OTLP_TIMEOUT",), "seconds", "10", "How long one export may take, retries included."),
    Setting("", ("OTEL_BSP_SCHEDULE_DELAY",), "milliseconds", "5000", "How long a span waits for its batch to fill."),
    Setting("", ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE",), "int", "512", "Spans in one batch."),
    Setting("", ("OTEL_BSP_MAX_QUEUE_SIZE",), "int", "2048", "Spans kept in memory; beyond, new ones are dropped."),
    Setting("", ("OTEL_TRACES_SAMPLER",), "str", "parentbased_always_on", "Which sessions to keep."),
)

_ROWS: Final = {row.name: row for row in SETTINGS if row.name}


def switch(name: str, argument: bool | None) -> bool:
    """Return the value of an on/off setting.

    Raises:
        ConfigurationError: the argument or the variable is neither on nor off.
    """
    if argument is not None:
        if not isinstance(argument, bool):
            raise ConfigurationError(name, f"{argument!r} is not a bool", "True, False")
        return argument
    variable, text = from_environment(name)
    text = (text or _ROWS[name].default).strip().lower()
    if text not in _TRUE | _FALSE:
        raise ConfigurationError(variable, f"{text!r} is neither on nor off", "true, false, 1, 0, yes, no, on, off")
    return text in _TRUE


def protocol(argument: str | None) -> str:
    """Return how to speak to the collector: one of `PROTOCOLS`.

    Raises:
        ConfigurationError: the argument or the variable names another protocol.
    """
    variable, text = ("protocol", argument) if argument is not None else from_environment("protocol")
    chosen = text if text is not None else _ROWS["protocol"].default
    if chosen not in PROTOCOLS:
        raise ConfigurationError(variable, f"{chosen!r} is not supported", ", ".join(PROTOCOLS))
    return chosen


def from_environment(name: str) -> tuple[str, str | None]:
    """Return (variable, its text) of the first variable of a setting that is set; an empty one counts as not set."""
    for variable in _ROWS[name].env:
        if text := os.environ.get(variable, "").strip():
            return variable, text
    return name, None


def address(argument: str | None, default: str) -> str:
    """Return the collector's address, for the log: OpenTelemetry's exporters read the environment themselves.

    Raises:
        ConfigurationError: the argument is no http:// or https:// address.
    """
    if argument is None:
        return from_environment("endpoint")[1] or default
    if not isinstance(argument, str) or not argument.startswith(("http://", "https://")):
        raise ConfigurationError("endpoint", f"{argument!r} has no scheme", "http://host:port, https://host:port")
    return argument


def queue_size() -> int:
    """Return how many spans may wait in memory.

    Raises:
        ConfigurationError: `OTEL_BSP_MAX_QUEUE_SIZE` is no positive integer.
    """
    text = os.environ.get("OTEL_BSP_MAX_QUEUE_SIZE", "").strip() or "2048"
    if not text.isdecimal() or int(text) == 0:
        raise ConfigurationError("OTEL_BSP_MAX_QUEUE_SIZE", f"{text!r} is no count", "an integer from 1")
    return int(text)
