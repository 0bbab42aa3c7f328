"""`GET /api/export`: what a client gets, in which format, and what happens when it goes away or ClickHouse does."""

from __future__ import annotations

import csv
import io
import json
import shutil
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from otlp_builders import span, traces
from processes import CollectorProcess, add_key, plain_client, running
from pyarrow import parquet
from seeded import seeded
from server_process import ClickHouseServer

from collector.access.keys import Scope
from collector.clickhouse import EMBEDDED_FOLDER

UNTIL = "2026-05-01T00:00:00"
ROWS = 25_000
TEXT = 'Grüße, "schön"\nsagt \t 東京 😀 שלום \\N \\\\'
FINE = json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": "fine"}]}])
SECRET = "s" * 40
AT = int(datetime(2026, 3, 10, 12, tzinfo=UTC).timestamp()) * 10**9


@pytest.fixture(scope="module")
def much(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with some 25,000 interactions, of which everybody takes a copy: several slices of an export."""
    return seeded(tmp_path_factory.mktemp("much") / "data", ROWS, UNTIL)


@pytest.fixture(scope="module")
def full(much: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    """A collector that has them."""
    with running(shutil.copytree(much, tmp_path_factory.mktemp("full") / "data", symlinks=True)) as started:
        yield started


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    """A collector with two tenants, two users, and text that is hard to write down."""
    data = tmp_path_factory.mktemp("few") / "data"
    data.mkdir()
    acme, other = (add_key(data, Scope.INGEST, Scope.READ, tenant=tenant) for tenant in ("acme", "other"))
    with running(data, "--batch-seconds", "0.1", "--jwt-secret", SECRET) as started:
        for key, tenant in ((acme, "acme"), (other, "other")):
            started.key = key
            started.send(traces(*(each for user in ("ann", "bob") for each in conversation(tenant, user))))
        started.wait_until_stored()
        yield started


def conversation(tenant: str, user: str) -> list[Any]:
    """Return a session of three interactions, the last of which failed."""
    told: list[dict[str, Any]] = [
        {"interaction.type": "user_message", "interaction.message": TEXT},
        {"interaction.type": "assistant_response", "gen_ai.output.messages": FINE, "interaction.cost_usd": 0.25},
        {"interaction.type": "error", "interaction.message": f"{tenant} broke", "error.type": "Timeout"},
    ]
    return [
        span(
            each["interaction.type"],
            {"session.id": f"{tenant}-{user}", "user.id": user} | each,
            start_time_unix_nano=AT + number * 10**6,
            end_time_unix_nano=AT + number * 10**6 + 1,
        )
        for number, each in enumerate(told)
    ]


def export(collector: CollectorProcess, key: str = "", **query: str) -> httpx.Response:
    """Ask for an export."""
    with plain_client(120) as client:
        headers = {"authorization": f"Bearer {key or collector.key}"} if key or collector.key else {}
        return client.get(f"http://{collector.endpoints['http']}/api/export", params=query, headers=headers)


def rows(reply: httpx.Response) -> list[dict[str, Any]]:
    """Read JSON lines."""
    assert reply.status_code == 200, reply.text
    return [json.loads(line) for line in reply.content.split(b"\n")[:-1]]


def read(reply: httpx.Response, output_format: str) -> list[dict[str, Any]]:
    """Read any of the formats."""
    assert reply.status_code == 200, reply.text
    if output_format == "jsonl":
        return rows(reply)
    if output_format == "csv":
        return list(csv.DictReader(io.StringIO(reply.content.decode(), newline="")))
    found: list[dict[str, Any]] = parquet.read_table(io.BytesIO(reply.content)).to_pylist()
    return found


def test_formats_hold_the_same(few: CollectorProcess) -> None:
    """Each says the same rows in the same order, and what people said to the letter."""
    stored = few.ask("SELECT span_id, input_text, cost_usd FROM otel.interactions ORDER BY ts, tenant, span_id")
    assert len(stored) == 6  # the key is of one tenant
    for output_format in ("csv", "jsonl", "parquet"):
        found = read(export(few, what="interactions", format=output_format), output_format)
        assert [each["span_id"] for each in found] == [each["span_id"] for each in stored]
        assert [each["input_text"] for each in found] == [each["input_text"] for each in stored]
        assert TEXT in {each["input_text"] for each in found}
        costs = [float(each["cost_usd"]) if each["cost_usd"] not in {"", None} else None for each in found]
        assert costs == [each["cost_usd"] for each in stored], output_format
        attributes = found[0]["attributes"]
        attributes = json.loads(attributes) if output_format == "csv" else dict(attributes)
        assert attributes["interaction.type"] == "user_message"


def test_head_of_the_answer(few: CollectorProcess) -> None:
    """It says what it is, what to call it, and how many rows come."""
    asked = {"what": "errors", "since": "2026-03-10", "until": "2026-03-11"}
    head = export(few, **asked, format="csv").headers
    assert head["content-type"] == "text/csv; charset=utf-8; header=present"
    assert head["content-disposition"] == 'attachment; filename="errors_2026-03-10_2026-03-11.csv"'
    assert head["x-total-rows"] == "2"
    assert export(few, **asked, format="parquet").headers["content-type"] == "application/vnd.apache.parquet"
    assert "x-total-rows" not in export(few, what="transcript").headers


def test_filters(few: CollectorProcess) -> None:
    """By session, user, type and time: from `since` on, before `until`."""
    ids = {each["span_id"] for each in rows(export(few, what="interactions", format="jsonl"))}
    assert len(ids) == 6

    def kinds(**query: str) -> list[str]:
        return [each["type"] for each in rows(export(few, what="interactions", format="jsonl", **query))]

    assert kinds(session_id="other-ann") == ["user_message", "assistant_response", "error"]
    assert kinds(user_id="bob", interaction_type="error") == ["error"]
    assert kinds(since="2026-03-10T12:00:00.001Z", until="2026-03-10T13:00:00.002+01:00") == ["assistant_response"] * 2
    assert [each["error_message"] for each in rows(export(few, what="errors", user_id="ann", format="jsonl"))] == [
        "other broke"
    ]
    said = rows(export(few, what="transcript", session_id="other-bob", format="jsonl"))
    assert [(each["role"], each["text"]) for each in said] == [("user", TEXT), ("assistant", "fine")]
    assert [each["session_id"] for each in rows(export(few, what="sessions", user_id="ann", format="jsonl"))] == [
        "other-ann"
    ]


def test_whose_rows(few: CollectorProcess) -> None:
    """A key of one tenant exports that tenant's rows, a user's token that user's, whatever is asked for."""
    token = jwt.encode({"sub": "ann", "tenant": "acme", "exp": time.time() + 600}, SECRET, "HS256")
    for what in ("interactions", "sessions", "transcript", "errors"):
        of_tenant = rows(export(few, what=what, format="jsonl"))
        assert {each["tenant"] for each in of_tenant} == {"other"}, what
        assert {each["session_id"] for each in of_tenant} == {"other-ann", "other-bob"}, what
        of_user = rows(export(few, token, what=what, format="jsonl"))
        assert {each["session_id"] for each in of_user} == {"acme-ann"}, what
    assert rows(export(few, token, what="interactions", user_id="bob", format="jsonl")) == []
    assert export(few, what="interactions", tenant="acme").status_code == 403
    assert export(few, "nonsense", what="interactions").status_code == 401


@pytest.mark.parametrize("what", ["interactions", "sessions", "transcript", "errors"])
def test_nothing_there(few: CollectorProcess, what: str) -> None:
    """Without rows CSV has its head, Parquet its columns, and JSON lines nothing."""
    asked = {"what": what, "since": "1999-01-01", "until": "2000-01-01"}
    [head] = csv.reader(io.StringIO(export(few, **asked, format="csv").text))
    table = parquet.read_table(io.BytesIO(export(few, **asked, format="parquet").content))
    assert (table.num_rows, table.column_names) == (0, head)
    assert "session_id" in head
    assert export(few, **asked, format="jsonl").content == b""


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({}, "what: Field required"),
        ({"what": "everything"}, "what: Input should be 'interactions', "),
        ({"what": "errors", "format": "pdf"}, "format: Input should be 'csv', 'jsonl' or 'parquet'"),
        ({"what": "errors", "since": "yesterday"}, "since: "),
        ({"what": "errors", "since": "2300-01-01"}, "since: "),
        ({"what": "errors", "since": "2026-03-11", "until": "2026-03-10"}, "until is not after since"),
        ({"what": "errors", "until": "2026-03-10", "since": "2026-03-10"}, "until is not after since"),
        ({"what": "sessions", "interaction_type": "error"}, "what=sessions takes no interaction_type"),
        ({"what": "errors", "user_id": "u" * 1001}, "user_id: "),
        ({"what": "errors", "session_id": "a\0"}, "session_id: "),
    ],
)
def test_bad_input(few: CollectorProcess, query: dict[str, str], told: str) -> None:
    """It is a problem that says what is wrong, and no file."""
    reply = export(few, **query)
    assert reply.status_code == 422
    assert reply.headers["content-type"] == "application/problem+json"
    assert told in reply.json()["detail"]


def test_many_slices(full: CollectorProcess) -> None:
    """However many slices it takes, each row is there once, in order, in each format."""
    [stored] = full.ask("SELECT count() AS n, uniqExact(span_id) AS ids FROM otel.interactions")
    assert stored["n"] > 20_000
    found = rows(export(full, what="interactions", format="jsonl"))
    order = [(each["ts"], each["tenant"], each["span_id"]) for each in found]
    assert order == sorted(order)
    assert (len(order), len(set(order))) == (stored["n"], stored["ids"])
    table = parquet.ParquetFile(io.BytesIO(export(full, what="interactions", format="parquet").content))
    assert table.metadata.num_row_groups >= 3
    assert table.read(["span_id"])["span_id"].to_pylist() == [each["span_id"] for each in found]
    lines = csv.reader(io.StringIO(export(full, what="interactions", format="csv").content.decode(), newline=""))
    assert len(list(lines)) == stored["n"] + 1


@pytest.mark.parametrize("what", ["sessions", "transcript"])
def test_sessions_and_what_was_said(full: CollectorProcess, what: str) -> None:
    """They are those of the views, sessions by their beginnings; a conversation is never torn."""
    [stored] = full.ask(f"SELECT count() AS n, uniqExact(session_id) AS ids FROM otel.{what}")
    found = rows(export(full, what=what, format="jsonl"))
    assert (len(found), len({each["session_id"] for each in found})) == (stored["n"], stored["ids"])
    if what == "sessions":
        assert [each["started_at"] for each in found] == sorted(each["started_at"] for each in found)
        return
    runs = [
        each["session_id"]
        for each, before in zip(found, [{}, *found], strict=False)
        if each["session_id"] != before.get("session_id")
    ]
    assert len(runs) == stored["ids"]
    one = [each["text"] for each in found if each["session_id"] == runs[len(runs) // 2]]
    said = full.ask(
        "SELECT text FROM otel.transcript WHERE session_id = {session:String} ORDER BY ts, turn",
        session=runs[len(runs) // 2],
    )
    assert sorted(one) == sorted(each["text"] for each in said)


def connect(collector: CollectorProcess, query: str = "what=interactions&format=jsonl") -> socket.socket:
    """Ask for an export and read its first bytes."""
    host, _, port = collector.endpoints["http"].rpartition(":")
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # the server soon has to wait for us
    connection.connect((host, int(port)))
    connection.settimeout(60)
    connection.sendall(f"GET /api/export?{query} HTTP/1.1\r\nhost: {host}\r\n\r\n".encode())
    return connection


def free(collector: CollectorProcess) -> bool:
    """Tell whether another export may begin."""
    deadline = time.monotonic() + 20
    while (reply := export(collector, what="sessions", until="2000-01-01")).status_code == 503:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return reply.status_code == 200


def test_cut_connections(full: CollectorProcess) -> None:
    """Eight clients, for four places, that hang up mid-way leave nothing behind: no statement, no place taken."""
    for _ in range(8):
        with connect(full) as connection:
            assert connection.recv(100).startswith((b"HTTP/1.1 200", b"HTTP/1.1 503"))
        assert free(full)
    running_now = (
        "SELECT count() AS n FROM system.processes "
        "WHERE query LIKE '%otel.interactions%' AND query NOT LIKE '%system.processes%'"
    )
    deadline = time.monotonic() + 20  # the last one is just told to end
    while full.ask(running_now) != [{"n": 0}]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert len(rows(export(full, what="interactions", format="jsonl"))) > 20_000
    assert "Traceback" not in full.log.read_text()


def test_too_many_at_once(full: CollectorProcess) -> None:
    """Four clients that do not read hold four exports; a fifth is told to come back, and may when one is gone."""
    holding = [connect(full) for _ in range(4)]
    assert all(each.recv(12) == b"HTTP/1.1 200" for each in holding)
    refused = export(full, what="errors")
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
    assert "too many exports" in refused.json()["detail"]
    with plain_client() as client:  # others are answered meanwhile
        assert client.get(f"http://{full.endpoints['http']}/api/interactions/stats").status_code == 200
    for each in holding:
        each.close()
    assert free(full)


def test_breaks_off(much: Path, tmp_path: Path) -> None:
    """When ClickHouse goes away after the first bytes, the connection is cut before the body says that it ends."""
    server = ClickHouseServer(shutil.copytree(much / EMBEDDED_FOLDER, tmp_path / "server", symlinks=True))
    server.start()
    with running(tmp_path / "data", "--clickhouse-url", server.url) as collector:
        assert len(rows(export(collector, what="interactions", format="jsonl"))) > 20_000
        with connect(collector) as connection:
            got = connection.recv(100)
            server.kill()
            while piece := connection.recv(1 << 20):
                got += piece
        assert got.startswith(b"HTTP/1.1 200")
        assert not got.endswith(b"0\r\n\r\n")
        away = export(collector, what="interactions")
        assert (away.status_code, away.headers["content-type"]) == (503, "application/problem+json")
        assert "an export broke off: ClickHouse does not answer" in collector.log.read_text()


def test_days_of_one_export(full: CollectorProcess) -> None:
    """An export of each day gives, together, what one of all days gives."""
    first = datetime(2026, 4, 27, tzinfo=UTC)
    days = [first + timedelta(days=each) for each in range(5)]
    apart = [
        each["span_id"]
        for since, until in pairwise(days)
        for each in rows(
            export(full, what="interactions", format="jsonl", since=since.isoformat(), until=until.isoformat())
        )
    ]
    asked = {"since": days[0].isoformat(), "until": days[-1].isoformat()}
    assert apart == [each["span_id"] for each in rows(export(full, what="interactions", format="jsonl", **asked))]
    assert len(apart) > 3_000
