"""Every setting of the SDK, one row each: argument, environment variables, type, default, sentence.

An argument of `configure()` wins over the environment, the environment over the default. Variables that begin with
`OTEL_INTERACTIONS_` are read here; the others are OpenTelemetry's and are read by its own classes, so they mean what
OpenTelemetry says.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from opentelemetry.util.re import parse_env_headers

from otel_interactions.errors import ConfigurationError
from otel_interactions.export.transport import DEFAULT_ENDPOINTS, GRPC, HTTP, TRACES_PATH, Target

_TRUE: Final = frozenset({"1", "true", "yes", "on"})
_FALSE: Final = frozenset({"0", "false", "no", "off"})

PROTOCOLS: Final = (GRPC, HTTP)
WHEN_FULL: Final = ("drop_oldest", "drop_newest")
_OTHER_PORT: Final = {(GRPC, 4317): 4318, (HTTP, 4318): 4317}


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
    Setting(
        "fallback_endpoint",
        ("OTEL_INTERACTIONS_FALLBACK_ENDPOINT",),
        "url | off",
        "port 4318 for a collector at 4317, and the other way round",
        "Where the same collector takes the other protocol, for when nobody answers.",
    ),
    Setting(
        "spool_dir",
        ("OTEL_INTERACTIONS_SPOOL_DIR",),
        "path | off",
        "$XDG_STATE_HOME/otel-interactions/spool",
        "Where spans wait for the collector, so that they outlive the process; off keeps them in memory.",
    ),
    Setting(
        "spool_max_mib",
        ("OTEL_INTERACTIONS_SPOOL_MAX_MIB",),
        "int",
        "512",
        "The most the spool takes of the disk, for one collector.",
    ),
    Setting(
        "spool_max_hours",
        ("OTEL_INTERACTIONS_SPOOL_MAX_HOURS",),
        "int",
        "168",
        "How long spans wait in the spool; then they are deleted and counted.",
    ),
    Setting(
        "spool_when_full",
        ("OTEL_INTERACTIONS_SPOOL_WHEN_FULL",),
        "drop_oldest | drop_newest",
        "drop_oldest",
        "Which spans go when the spool is full; the application never waits.",
    ),
    Setting("", ("OTEL_SDK_DISABLED",), "bool", "false", "Switch OpenTelemetry, and so this SDK, off."),
    Setting("", ("OTEL_EXPORTER_OTLP_TIMEOUT",), "seconds", "10", "How long one request may take."),
    Setting("", ("OTEL_EXPORTER_OTLP_COMPRESSION",), "none | gzip", "none", "Whether requests are compressed."),
    Setting("", ("OTEL_EXPORTER_OTLP_INSECURE",), "bool", "false", "No TLS for a gRPC address without http://."),
    Setting("", ("OTEL_EXPORTER_OTLP_CERTIFICATE",), "path", "", "Certificates of collectors that are trusted."),
    Setting("", ("OTEL_EXPORTER_OTLP_CLIENT_KEY",), "path", "", "Our own private key, for mTLS."),
    Setting("", ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",), "path", "", "Our own certificate, for mTLS."),
    Setting("", ("OTEL_BSP_SCHEDULE_DELAY",), "milliseconds", "1000", "How long a span waits for its batch to fill."),
    Setting("", ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE",), "int", "512", "Spans in one batch."),
    Setting("", ("OTEL_BSP_MAX_QUEUE_SIZE",), "int", "2048", "Spans kept in memory; beyond, new ones are dropped."),
    Setting("", ("OTEL_TRACES_SAMPLER",), "str", "parentbased_always_on", "Which sessions to keep."),
)

_DEFAULTS: Final = {row.env[0]: row.default for row in SETTINGS if not row.name}
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
    return choice("protocol", argument, PROTOCOLS)


def from_environment(name: str) -> tuple[str, str | None]:
    """Return (variable, its text) of the first variable of a setting that is set; an empty one counts as not set."""
    for variable in _ROWS[name].env:
        if text := os.environ.get(variable, "").strip():
            return variable, text
    return name, None


def choice(name: str, argument: str | None, allowed: tuple[str, ...]) -> str:
    """Return the value of a setting that has few.

    Raises:
        ConfigurationError: the argument or the variable is none of them.
    """
    variable, text = (name, argument) if argument is not None else from_environment(name)
    chosen = _ROWS[name].default if text is None else text
    if chosen not in allowed:
        raise ConfigurationError(variable, f"{chosen!r} is not supported", ", ".join(allowed))
    return chosen


def whole(name: str, argument: int | None) -> int:
    """Return the value of a setting that is a positive integer.

    Raises:
        ConfigurationError: the argument or the variable is none.
    """
    variable, text = (name, str(argument)) if argument is not None else from_environment(name)
    return positive(variable, text or _ROWS[name].default)


def positive(variable: str, text: str) -> int:
    """Return a positive integer.

    Raises:
        ConfigurationError: it is none.
    """
    if not text.isdecimal() or int(text) == 0:
        raise ConfigurationError(variable, f"{text!r} is no count", "an integer from 1")
    return int(text)


def batch(name: str) -> int:
    """Return a setting of OpenTelemetry's batch span processor, `OTEL_BSP_` and this name.

    Raises:
        ConfigurationError: it is no positive integer.
    """
    variable = f"OTEL_BSP_{name}"
    return positive(variable, os.environ.get(variable, "").strip() or _DEFAULTS[variable])


def spool_dir(argument: str | os.PathLike[str] | None) -> Path | None:
    """Return the folder of the spool, None if it is switched off."""
    text = os.fspath(argument) if argument is not None else from_environment("spool_dir")[1]
    if text is not None:
        return None if text.strip().lower() in _FALSE else Path(text).expanduser()
    state = os.environ.get("XDG_STATE_HOME", "").strip()
    try:
        return (Path(state) if state else Path.home() / ".local" / "state") / "otel-interactions" / "spool"
    except RuntimeError:  # no home directory
        return None


def exporter(name: str, default: str | None = None) -> tuple[str, str]:
    """Return (variable, its text) of an exporter's setting by OpenTelemetry's name; the one for traces wins."""
    for variable in (f"OTEL_EXPORTER_OTLP_TRACES_{name}", f"OTEL_EXPORTER_OTLP_{name}"):
        if text := os.environ.get(variable, "").strip():
            return variable, text
    return variable, _DEFAULTS.get(variable, "") if default is None else default


def target(protocol: str, endpoint: str | None, headers: Mapping[str, str] | None) -> Target:
    """Return where spans go, from the arguments of `configure()` and OpenTelemetry's variables.

    Raises:
        ConfigurationError: one of them has a value it cannot have.
    """
    variable, compression = exporter("COMPRESSION")
    if compression.lower() not in {"none", "gzip"}:
        raise ConfigurationError(variable, f"{compression!r} is not supported", "none, gzip")
    variable, timeout = exporter("TIMEOUT")
    try:
        seconds = float(timeout)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ConfigurationError(variable, f"{timeout!r} is no time", "seconds, above 0")
    if headers is None:
        headers = parse_env_headers(exporter("HEADERS")[1], liberal=True)
    return Target(
        protocol,
        address(protocol, endpoint),
        dict(headers),
        gzip=compression.lower() == "gzip",
        timeout=seconds,
        certificate=_file("CERTIFICATE"),
        client_key=_file("CLIENT_KEY"),
        client_certificate=_file("CLIENT_CERTIFICATE"),
    )


def _file(name: str) -> str:
    variable, path = exporter(name)
    if path and not os.access(path, os.R_OK):
        raise ConfigurationError(variable, f"{path} cannot be read", "a file in PEM form")
    return path


def address(protocol: str, argument: str | None) -> str:
    """Return the collector's address: of gRPC with its scheme, of HTTP the whole URL.

    Raises:
        ConfigurationError: the argument or the variable is no http:// or https:// address.
    """
    if argument is not None:
        text = _url("endpoint", argument)
        return text if protocol == GRPC else traces_url(text)
    variable, text = exporter("ENDPOINT", DEFAULT_ENDPOINTS[protocol])
    if protocol == HTTP:
        text = _url(variable, text)
        return text if "_TRACES_" in variable else traces_url(text)
    if "://" not in text:
        insecure = exporter("INSECURE")[1].lower() in _TRUE
        text = f"{'http' if insecure else 'https'}://{text}"
    return _url(variable, text) if text.startswith("http") else text  # gRPC knows more: unix:///, dns:///


def _url(setting: str, text: str, *others: str) -> str:
    """Return an http:// or https:// address that can be one.

    Raises:
        ConfigurationError: it cannot.
    """
    allowed = ", ".join(("http://host:port", "https://host:port", *others))
    if not isinstance(text, str) or not text.startswith(("http://", "https://")):
        raise ConfigurationError(setting, f"{text!r} has no scheme", allowed)
    try:
        _ = urlsplit(text).port
    except ValueError as error:
        raise ConfigurationError(setting, f"{text!r}: {error}", allowed) from error
    return text


def traces_url(endpoint: str) -> str:
    """Return the URL for traces of an OTLP/HTTP address."""
    return endpoint if endpoint.rstrip("/").endswith(TRACES_PATH) else endpoint.rstrip("/") + TRACES_PATH


def fallback(first: Target, argument: str | None) -> Target | None:
    """Return the same collector by the other protocol, None if it is not known or switched off.

    Raises:
        ConfigurationError: the argument or the variable is no address.
    """
    variable, text = ("fallback_endpoint", argument) if argument is not None else from_environment("fallback_endpoint")
    other = HTTP if first.protocol == GRPC else GRPC
    if text is None:
        url = urlsplit(first.endpoint)
        port = _OTHER_PORT.get((first.protocol, url.port or 0))
        if port is None:
            return None
        text = f"{url.scheme}://{url.netloc.rpartition(':')[0]}:{port}"
    elif text.strip().lower() in _FALSE:
        return None
    else:
        text = _url(variable, text, "off")
    return replace(first, protocol=other, endpoint=text if other == GRPC else traces_url(text))


def queue_size() -> int:
    """Return how many spans may wait in memory.

    Raises:
        ConfigurationError: `OTEL_BSP_MAX_QUEUE_SIZE` is no positive integer.
    """
    return batch("MAX_QUEUE_SIZE")
