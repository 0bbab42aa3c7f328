"""Asks the running collector over its API, for the verbs that do."""

from __future__ import annotations

import contextlib
import json
import ssl
from collections.abc import Iterator, Mapping
from typing import Any, Final

import httpx

from collector import datadir, settings, tls
from collector.cli.options import with_settings
from collector.errors import CollectorError, StartError
from collector.query.questions import NotRunningError

with_api = with_settings("data_dir", "host", "http_port", "tls_ca", "tls_cert", "tls_key")
_PATIENCE: Final = httpx.Timeout(120, connect=5)  # an answer of many slices may begin late
_BAD_INPUT: Final = frozenset({httpx.codes.BAD_REQUEST, httpx.codes.UNPROCESSABLE_ENTITY})
_NO_KEY: Final = frozenset({httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN})


class ApiError(CollectorError):
    """The collector did not answer what it was asked."""


class ApiClient:
    """One collector's API."""

    def __init__(self, address: str, key: str, context: ssl.SSLContext | None) -> None:
        """Take `host:port`, a key or "", and whom to trust where the collector speaks TLS."""
        self._url = f"{'https' if context else 'http'}://{address}"
        headers = {"authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.Client(
            base_url=self._url, headers=headers, timeout=_PATIENCE, trust_env=False, verify=context or False
        )

    def ask(
        self, path: str, parameters: Mapping[str, Any] | None = None, *, method: str = "GET", body: Any = None
    ) -> Any:
        """Return what JSON an answer holds; a `body` is sent as JSON.

        Raises:
            StartError: the collector says that a parameter is wrong.
            ApiError: it says anything else, or breaks off; or who answers is no collector.
            NotRunningError: nobody answers.
        """
        with self.stream(path, parameters, method=method, body=body) as reply:
            try:
                return json.loads(reply.read())
            except ValueError as error:
                raise ApiError(f"{self._url} does not answer as a collector does") from error

    @contextlib.contextmanager
    def stream(
        self, path: str, parameters: Mapping[str, Any] | None = None, *, method: str = "GET", body: Any = None
    ) -> Iterator[httpx.Response]:
        """Give an answer whose body is still to be read; raises as `ask`."""
        try:
            with self._http.stream(method, path, params=parameters, json=body) as reply:
                if not reply.is_success:
                    raise _told(reply)
                yield reply
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise NotRunningError(
                f"nobody answers at {self._url}: {error}",
                hint="start a collector with `otel-interactions serve`, or name its port with --http-port; if it "
                "speaks TLS, see --tls-ca, --tls-cert and --tls-key",
            ) from error
        except httpx.TransportError as error:
            raise ApiError(
                f"the collector broke off: {error}", hint="its log says why; try again, or ask about a shorter time"
            ) from error

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


@contextlib.contextmanager
def api_client(chosen: settings.Settings, key: str) -> Iterator[ApiClient]:
    """Find the collector to ask: an address given, else where the one of this data directory says it listens."""
    running = {} if {"host", "http_port"} & chosen.model_fields_set else datadir.endpoints(chosen.data_dir)
    context = tls.of_client(chosen, running.get("certificate"))
    client = ApiClient(running.get("http", datadir.address(chosen.host, chosen.http_port)), key, context)
    try:
        yield client
    finally:
        client.close()


def _told(reply: httpx.Response) -> CollectorError:
    """Return as an error what the collector says of a request that it did not answer."""
    said = _detail(reply.read().decode(errors="replace"))
    if reply.status_code in _BAD_INPUT:
        return StartError(said)
    if reply.status_code in _NO_KEY:
        verb = "read" if reply.request.method == "GET" else "do"
        hint = f"give a key that may {verb} this with --key or {settings.ENVIRONMENT_PREFIX}KEY"
        return ApiError(said.partition("; hint:")[0], hint=hint)
    if reply.status_code == httpx.codes.NOT_FOUND:
        return ApiError(said, hint="is it a collector, and of this version?")
    return ApiError(said)


def _detail(body: str) -> str:
    """Return the sentence of a problem (RFC 9457), or the body itself."""
    try:
        return str(json.loads(body)["detail"])
    except (ValueError, KeyError, TypeError):
        return body.strip()[:500] or "the collector refused, and does not say why"
