"""The collector, and how to speak to it, as the arguments of `configure()` and OpenTelemetry's variables have it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Final
from urllib.parse import urlsplit

from opentelemetry.util.re import parse_env_headers

from otel_interactions.errors import ConfigurationError
from otel_interactions.export.transport import DEFAULT_ENDPOINTS, GRPC, HTTP, TRACES_PATH, Target
from otel_interactions.settings.reading import DEFAULTS, FALSE, TRUE, from_environment

_OTHER_PORT: Final = {(GRPC, 4317): 4318, (HTTP, 4318): 4317}


def exporter(name: str, default: str | None = None) -> tuple[str, str]:
    """Return (variable, its text) of an exporter's setting by OpenTelemetry's name; the one for traces wins."""
    for variable in (f"OTEL_EXPORTER_OTLP_TRACES_{name}", f"OTEL_EXPORTER_OTLP_{name}"):
        if text := os.environ.get(variable, "").strip():
            return variable, text
    return variable, DEFAULTS.get(variable, "") if default is None else default


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
        insecure = exporter("INSECURE")[1].lower() in TRUE
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
    elif text.strip().lower() in FALSE:
        return None
    else:
        text = _url(variable, text, "off")
    return replace(first, protocol=other, endpoint=text if other == GRPC else traces_url(text))
