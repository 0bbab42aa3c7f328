"""A client that sends JSON to a real collector, and reads what became of it."""

from __future__ import annotations

import json
import secrets
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import httpx
import pytest
from processes import CollectorProcess

INTERACTIONS, EVENTS = "/api/interactions/log", "/api/log-interaction"
JSON = {"content-type": "application/json"}
ABSENT = ("", 0, None, False, "1970-01-01 00:00:00.000000000")


class Client:
    """Sends JSON to the collector that all tests share."""

    def __init__(self, collector: CollectorProcess, http: httpx.Client) -> None:
        self.collector, self.http = collector, http

    def post(self, path: str, payload: Any, headers: dict[str, str] | None = None) -> httpx.Response:
        """Send bytes as they are, anything else as JSON."""
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        return self.http.post(path, content=body, headers=JSON | (headers or {}))

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document."""
        document: dict[str, Any] = self.http.get("/openapi.json").json()
        return document

    def accept(self, path: str, payload: Any, accepted: int = 1) -> None:
        """Send what must be accepted whole."""
        reply = self.post(path, payload)
        assert (reply.status_code, reply.json()) == (200, {"accepted": accepted, "rejected": []})

    def reject(self, path: str, payload: Any) -> list[dict[str, Any]]:
        """Send what must be rejected whole; return the items with their reasons."""
        reply = self.post(path, payload)
        answer = reply.json()
        assert (reply.status_code, answer["accepted"], list(answer)) == (400, 0, ["accepted", "rejected"])
        assert reply.headers["content-type"] == "application/json"
        return answer["rejected"]

    def wait_until_stored(self) -> None:
        """Wait until nothing acknowledged is missing in ClickHouse; a segment being frozen is in no queue yet."""
        journal = self.collector.data_dir / "journal"
        deadline = time.monotonic() + 60
        while any(journal.glob("*.open")) or any(journal.glob("*.ready")):
            assert time.monotonic() < deadline, self.collector.log.read_text()
            time.sleep(0.02)
        self.collector.wait_until_stored()

    def rows(self, sessions: Iterable[str], table: str = "interactions") -> dict[str, list[dict[str, Any]]]:
        """Wait until all is stored; return rows by session, by time and type, without what is absent."""
        self.wait_until_stored()
        order = {"interactions": "ORDER BY ts, type", "transcript": "ORDER BY ts"}.get(table, "")
        sql = f"SELECT * FROM otel.{table} WHERE has({{sessions:Array(String)}}, session_id) {order}"
        found = defaultdict(list)
        for row in self.collector.ask(sql, sessions=list(sessions)):
            found[row["session_id"]].append({name: value for name, value in row.items() if value not in ABSENT})
        return found


@pytest.fixture(scope="session")
def client(collector: CollectorProcess) -> Iterator[Client]:
    """A client of the shared collector."""
    with httpx.Client(base_url=f"http://{collector.endpoints['http']}", timeout=30) as http:
        yield Client(collector, http)


@pytest.fixture
def session() -> str:
    """A session id that nobody else uses."""
    return f"session_{secrets.token_hex(8)}"


@pytest.fixture(scope="session")
def examples(client: Client) -> dict[str, list[tuple[str, dict[str, Any]]]]:
    """Every example of the OpenAPI document, by the path it belongs to, with its shape's name."""
    document = client.openapi()
    schemas = document["components"]["schemas"]
    found = {}
    for path in (INTERACTIONS, EVENTS):
        body = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
        names = sorted(set(referred(body, schemas)))
        found[path] = [(name, example) for name in names for example in schemas[name].get("examples", [])]
    return found


def referred(schema: Any, schemas: dict[str, Any]) -> Iterator[str]:
    """Yield the names of all schemas that a schema refers to, through others too."""
    if isinstance(schema, list):
        for inner in schema:
            yield from referred(inner, schemas)
    if isinstance(schema, dict):
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            yield name
            yield from referred(schemas[name], schemas)
        yield from referred(list(schema.values()), schemas)


SAME_EVERYWHERE = {"tenant": "default", "dialect": "otel_interactions"}
PLACES = {"session_id", "trace_id", "span_id", "parent_span_id", "received_at", "attributes"}


@pytest.fixture(scope="session")
def told() -> Callable[[dict[str, Any]], dict[str, Any]]:
    """What a row tells, without where it stands; what every row of JSON clients tells is checked and left out."""

    def columns(row: dict[str, Any]) -> dict[str, Any]:
        assert SAME_EVERYWHERE.items() <= row.items()
        return {name: value for name, value in row.items() if name not in PLACES | set(SAME_EVERYWHERE)}

    return columns
