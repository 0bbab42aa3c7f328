"""The questions people ask, one .sql file each, and a client that puts them to a running collector or a server."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Mapping
from importlib import resources
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import unquote, urlsplit, urlunsplit

import httpx

from collector.errors import CollectorError

_PARAMETER = re.compile(r"\{(\w+):([^{}]+)\}")
_ABOUT_PARAMETERS = "-- Parameters:"

DEFAULTS: Final[Mapping[str, Any]] = MappingProxyType(
    {"tenant": "", "limit": 20, "depth": 5, "by": ["model"], "per": "session", "window_seconds": 86_400}
)
"""What a parameter is where nobody says it. The others have to be said: `since` and `until`, a time in UTC as
`2026-03-10 12:00:00` or in seconds since 1970; `session`; `steps`."""

SERVER_SETTINGS: Final[Mapping[str, str]] = MappingProxyType({"distributed_product_mode": "global"})
"""What a question is asked with on a server: on a cluster a subquery over all shards is answered once for all."""


class QueryFailedError(CollectorError):
    """ClickHouse refused the query; the message is its own."""


class NotRunningError(CollectorError):
    """Nobody answers at the address."""


def text(name: str) -> str:
    """Return the SQL of a question, for instance `sessions`, with the comment that says it in words."""
    return resources.files("collector.query").joinpath("sql", f"{name}.sql").read_text().strip()


def names() -> list[str]:
    """Return the questions that anybody may ask by name, those that say what their parameters are."""
    files = resources.files("collector.query").joinpath("sql").iterdir()
    found = sorted(file.name.removesuffix(".sql") for file in files if file.name.endswith(".sql"))
    return [name for name in found if _ABOUT_PARAMETERS in text(name)]


def title(name: str) -> str:
    """Return a question in words, the first line of its file."""
    return text(name).partition("\n")[0].removeprefix("-- ")


def parameters(name: str) -> dict[str, str]:
    """Return the parameters of a question in the order in which they stand there, with their ClickHouse types."""
    return dict(_PARAMETER.findall(text(name)))


def table() -> str:
    """Return the questions as a table in Markdown."""
    rows = (f"| `{name}` | {title(name)} | {', '.join(f'`{each}`' for each in parameters(name))} |" for name in names())
    return "\n".join(("| question | | parameters |", "|---|---|---|", *rows))


class Asker:
    """Asks over the ClickHouse HTTP interface, the collector's own or a server's."""

    def __init__(
        self, url: str, key: str = "", context: ssl.SSLContext | None = None, *, on_server: bool = False
    ) -> None:
        """Take `http(s)://[user:password@]host:port`, and the key to show to a collector that asks for one.

        `context` says whom https trusts, else the system does. `on_server` says that it is a ClickHouse server's own.
        """
        self._settings = SERVER_SETTINGS if on_server else {}
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
        query = {"default_format": output_format, **self._settings}
        query |= {f"param_{name}": written(value) for name, value in parameters.items()}
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


def written(value: object) -> str:
    """Write a parameter as the HTTP interface takes it: a text escaped as in TabSeparated, a list as quoted texts."""
    if isinstance(value, list | tuple):
        quoted = (str(each).replace("\\", "\\\\").replace("'", "\\'") for each in value)
        return "[" + ", ".join(f"'{each}'" for each in quoted) + "]"
    return str(value).replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")
