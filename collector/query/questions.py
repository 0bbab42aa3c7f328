"""The questions people ask, one .sql file each, and a client that puts them to a running collector or a server."""

from __future__ import annotations

import json
import ssl
from importlib import resources
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import httpx

from collector.errors import CollectorError


class QueryFailedError(CollectorError):
    """ClickHouse refused the query; the message is its own."""


class NotRunningError(CollectorError):
    """Nobody answers at the address."""


def text(name: str) -> str:
    """Return the SQL of a question, for instance `sessions`, with the comment that says it in words."""
    return resources.files("collector.query").joinpath("sql", f"{name}.sql").read_text().strip()


class Asker:
    """Asks over the ClickHouse HTTP interface, the collector's own or a server's."""

    def __init__(self, url: str, key: str = "", context: ssl.SSLContext | None = None) -> None:
        """Take `http(s)://[user:password@]host:port`, and the key to show to a collector that asks for one.

        `context` says whom https trusts, else the system does.
        """
        parts = urlsplit(url)
        self._address = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path or "/", "", ""))
        headers = {"X-ClickHouse-User": unquote(parts.username)} if parts.username else {}
        if parts.password:
            headers["X-ClickHouse-Key"] = unquote(parts.password)
        if key:
            headers["Authorization"] = f"Bearer {key}"
        verify = context or parts.scheme == "https"  # reading the system's CAs costs 50 ms, for nothing over plain HTTP
        self._http = httpx.Client(
            headers=headers, timeout=httpx.Timeout(300, connect=5), trust_env=False, verify=verify
        )

    def raw(self, sql: str, output_format: str, **parameters: object) -> bytes:
        """Run a query and return ClickHouse's bytes in `output_format`; `{name:Type}` in it are the parameters.

        Raises:
            QueryFailedError: ClickHouse refused it.
            NotRunningError: nobody answers.
        """
        query = {"default_format": output_format} | {f"param_{name}": str(value) for name, value in parameters.items()}
        try:
            reply = self._http.post(self._address, params=query, content=sql.encode())
        except httpx.TransportError as error:
            raise NotRunningError(
                f"nobody answers at {self._address}: {error}",
                hint="start a collector with `otel-interactions serve`, or name its port with --sql-port; if it speaks "
                "TLS, see --tls-ca, --tls-cert and --tls-key",
            ) from error
        if reply.status_code in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
            raise QueryFailedError(
                reply.text.strip(), hint="give a key that may read this with --key or OTEL_INTERACTIONS_KEY"
            )
        if reply.status_code != httpx.codes.OK:
            raise QueryFailedError(reply.text.strip())
        return reply.content

    def rows(self, sql: str, **parameters: object) -> list[dict[str, Any]]:
        """Run a query and return its rows; 64-bit integers as ints."""
        reply = self.raw(sql, "JSONEachRow", **parameters)
        return [json.loads(line) for line in reply.splitlines()]

    def ask(self, question: str, **parameters: object) -> list[dict[str, Any]]:
        """Ask one of the questions by its file's name."""
        return self.rows(text(question), **parameters)

    def close(self) -> None:
        """Close the connection."""
        self._http.close()
