"""Asks ClickHouse as the data source does: SQL as the body of a POST over HTTP."""

from __future__ import annotations

import httpx

from dashboards.validate.asks import AskError
from dashboards.validate.shapes import Answer

_FORMAT = {"default_format": "JSONCompact", "output_format_json_quote_64bit_integers": "0"}
_PATIENCE_SECONDS = 60


def is_address(url: str) -> bool:
    """Tell whether httpx could ask there."""
    try:
        parts = httpx.URL(url)
    except httpx.InvalidURL:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.host)


class Asker:
    """One address, kept open."""

    def __init__(self, url: str, key: str = "") -> None:
        """Take `http(s)://[user:password@]host:port` of a collector's SQL port or a ClickHouse server, and a key."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=_PATIENCE_SECONDS, trust_env=False)

    def ask(self, sql: str) -> Answer:
        """Return the answer.

        Raises:
            AskError: ClickHouse refused it, or nobody answers.
        """
        try:
            reply = self._http.post("/", params=_FORMAT, content=sql.encode())
        except httpx.HTTPError as error:
            raise AskError(f"nobody answers at {self._http.base_url}: {error}") from error
        if reply.status_code != httpx.codes.OK:
            raise AskError(reply.text.strip())
        told = reply.json()
        return Answer([each["name"] for each in told["meta"]], [each["type"] for each in told["meta"]], told["data"])

    def close(self) -> None:
        """Close the connection."""
        self._http.close()
