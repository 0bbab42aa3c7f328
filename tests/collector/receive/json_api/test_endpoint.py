"""The endpoints over HTTP: what they take, what they answer, what is stored then."""

from __future__ import annotations

import asyncio
import gzip
import json
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from balance import assert_balanced
from fastapi import FastAPI

from collector.access.admission import Admission
from collector.access.doorman import Doorman
from collector.access.keyring import KeyRing
from collector.access.rates import Rate, Rates
from collector.access.room import Room
from collector.errors import Retryable
from collector.receive.intake import Intake
from collector.receive.json_api import batch, endpoint
from collector.request import Request
from collector.telemetry import Counters

PATH = "/api/log-interaction"
CLICK = {"action": "click", "timestamp": "2025-01-01T00:00:00Z"}
BAD = {"action": 5}


def stored(client: Any, session: str) -> list[str]:
    """Return the actions stored of a session."""
    return sorted(row["action"] for row in client.rows([session])[session])


def test_content_types(client: Any, session: str) -> None:
    """JSON, and text that is JSON, which is what navigator.sendBeacon can send to another origin."""
    types = ["application/json", "Application/JSON; charset=utf-8", "text/plain", "text/plain;charset=UTF-8"]
    for each in types:
        reply = client.post(PATH, CLICK | {"sessionId": session, "action": each}, {"content-type": each})
        assert reply.status_code == 200
    assert stored(client, session) == sorted(types)


@pytest.mark.parametrize("content_type", ["", "application/x-www-form-urlencoded", "application/x-protobuf", "x/json"])
def test_wrong_content_types(client: Any, content_type: str) -> None:
    """A content type nobody reads: 415 that says what to send."""
    reply = client.post(PATH, CLICK, {"content-type": content_type})
    assert (reply.status_code, reply.headers["content-type"]) == (415, "application/json")
    assert reply.json()["error"] == (
        f"content type {content_type or 'none'} is not supported; hint: send application/json, or JSON as text/plain"
    )


def test_compressed(client: Any, session: str) -> None:
    """A body may be gzipped; an encoding nobody reads is 415, a body that is not what it says 400."""
    body = json.dumps(CLICK | {"sessionId": session}).encode()
    assert client.post(PATH, gzip.compress(body), {"content-encoding": "gzip"}).status_code == 200
    assert stored(client, session) == ["click"]
    assert client.post(PATH, body, {"content-encoding": "br"}).status_code == 415
    reply = client.post(PATH, body, {"content-encoding": "gzip"})
    assert (reply.status_code, "gzip" in reply.json()["error"]) == (400, True)


def test_not_json(client: Any) -> None:
    """What is no JSON is told with its place; the answer has the one shape."""
    reply = client.post(PATH, b'{"action": }')
    assert reply.status_code == 400
    assert reply.json() == {
        "accepted": 0,
        "rejected": [],
        "error": "the body is not JSON: unexpected character, expected a JSON value, at line 1 column 12",
    }


def test_all_or_nothing(client: Any, session: str) -> None:
    """One bad item, and nothing of the batch is stored; each bad one is named."""
    items = [CLICK, BAD, CLICK | {"timestamp": -1}, CLICK]
    rejected = client.reject(PATH, {"sessionId": session, "events": items})
    assert [(each["index"], each["field"]) for each in rejected] == [(1, "action"), (2, "timestamp")]
    assert rejected[0]["reason"] == "found 5; should be a valid string"
    client.accept(PATH, CLICK | {"sessionId": session, "action": "later"})
    assert stored(client, session) == ["later"]


def test_partial(client: Any, session: str) -> None:
    """Who asks for it gets the good items stored and the others named."""
    words = ["true", "1", "True", ""]
    for word in words:
        items = [CLICK | {"action": f"{word} a"}, BAD, CLICK | {"action": f"{word} b"}]
        reply = client.post(f"{PATH}?partial={word}", {"sessionId": session, "events": items})
        assert (reply.status_code, reply.json()["accepted"]) == (200, 2)
        assert [each["index"] for each in reply.json()["rejected"]] == [1]
    assert stored(client, session) == sorted(f"{word} {each}" for word in words for each in "ab")


def test_partial_with_nothing_good(client: Any) -> None:
    """Nothing good is nothing stored: 400, asked for or not."""
    reply = client.post(f"{PATH}?partial=true", [BAD, BAD])
    assert (reply.status_code, reply.json()["accepted"], len(reply.json()["rejected"])) == (400, 0, 2)


@pytest.mark.parametrize("word", ["false", "0"])
def test_not_partial(client: Any, word: str) -> None:
    """`partial=false` is what holds anyway."""
    assert client.post(f"{PATH}?partial={word}", [CLICK, BAD]).status_code == 400


def test_partial_is_a_switch(client: Any) -> None:
    """Any other word is told, not guessed."""
    reply = client.post(f"{PATH}?partial=perhaps", CLICK)
    assert (reply.status_code, reply.json()["error"]) == (400, "partial is perhaps; it should be true or false")


NAMELESS = {"action": "click"}
RETRY = {"idempotency-key": '"8e03978e"'}


@pytest.mark.parametrize(
    ("payload", "headers", "times"),
    [
        ([CLICK, CLICK], {}, 1),
        ([NAMELESS | {"id": 1}, NAMELESS | {"eventId": "e"}], {}, 1),
        ([NAMELESS, NAMELESS], {}, 3),
        ([CLICK, NAMELESS], {}, 3),
        ([NAMELESS, NAMELESS], RETRY, 1),
        ([NAMELESS, NAMELESS], {"idempotency-key": ""}, 3),
        ([NAMELESS, NAMELESS, BAD], RETRY, 1),
        ([CLICK, CLICK, BAD], {}, 1),
    ],
)
def test_sent_again(client: Any, session: str, payload: Any, headers: dict[str, str], times: int) -> None:
    """The same bytes again, the answer lost: stored once if ids, times or a key tell them from the same done twice."""
    headers = {name: value and value + session for name, value in headers.items()}
    before = client.collector.health()["counters"]
    answers = [
        client.post(f"{PATH}?partial=true", {"sessionId": session, "events": payload}, headers) for _ in range(3)
    ]
    assert [each.status_code for each in answers] == [200] * 3
    assert answers[0].json()["accepted"] == 2
    assert len({each.content for each in answers}) == 1
    assert stored(client, session) == ["click"] * 2 * times
    after = client.collector.health()
    assert after["counters"].get("requests_duplicate", 0) - before.get("requests_duplicate", 0) == 3 - times
    assert_balanced(after)


def test_packed_otherwise_it_is_the_same(client: Any, session: str) -> None:
    """Bytes are compared after decompression."""
    body = json.dumps({"sessionId": session, "id": 1, "action": "click"}).encode()
    client.accept(PATH, body)
    assert client.post(PATH, gzip.compress(body), {"content-encoding": "gzip"}).status_code == 200
    assert stored(client, session) == ["click"]


@pytest.mark.parametrize("headers", [{}, RETRY])
def test_the_same_to_both_paths(client: Any, session: str, headers: dict[str, str]) -> None:
    """What means one thing here and another there is two requests, with the same key as well."""
    both = {"session_id": session, "interaction_type": "user_message", "content": {"text": "a"}, "id": 1, "action": "b"}
    headers = {name: value + session for name, value in headers.items()}
    for path in ("/api/interactions/log", PATH) * 2:
        assert client.post(path, both, headers).status_code == 200
    assert sorted(row["type"] for row in client.rows([session])[session]) == ["ui_event", "user_message"]


def test_a_key_for_two_bodies(client: Any, session: str) -> None:
    """The second body is neither stored nor taken for the first: 422, counted. A refused one leaves the key free."""
    headers = {"idempotency-key": session}
    click = NAMELESS | {"sessionId": session}
    assert client.post(PATH, BAD | {"sessionId": session}, headers).status_code == 400
    assert client.post(PATH, click, headers).status_code == 200
    before = client.collector.health()["counters"].get("refused_key_reused", 0)
    reply = client.post(PATH, click | {"action": "scroll"}, headers)
    assert (reply.status_code, reply.json()) == (
        422,
        {
            "accepted": 0,
            "rejected": [],
            "error": "another body was accepted under this Idempotency-Key; hint: give each request a key of its own",
        },
    )
    assert client.collector.health()["counters"]["refused_key_reused"] == before + 1
    assert stored(client, session) == ["click"]
    assert_balanced(client.collector.health())


@pytest.mark.parametrize(("item", "headers"), [(NAMELESS | {"id": 1}, {}), (NAMELESS, RETRY)])
def test_sent_at_the_same_time(client: Any, session: str, item: dict[str, Any], headers: dict[str, str]) -> None:
    """Many of the same at once: each is acknowledged, one is stored."""
    headers = {name: value + session for name, value in headers.items()}
    with ThreadPoolExecutor(8) as pool:
        sending = [pool.submit(client.post, PATH, item | {"sessionId": session}, headers) for _ in range(8)]
    assert [each.result().json() for each in sending] == [{"accepted": 1, "rejected": []}] * 8
    assert stored(client, session) == ["click"]


@pytest.mark.parametrize("payload", [[], {"events": []}])
def test_empty(client: Any, payload: Any) -> None:
    """An empty batch is a success that stores nothing."""
    before = client.collector.health()["counters"].get("requests_journaled", 0)
    client.accept(PATH, payload, 0)
    assert client.collector.health()["counters"].get("requests_journaled", 0) == before


def test_too_many_items(client: Any) -> None:
    """More items than allowed: 413."""
    reply = client.post(PATH, [0] * (batch.MAX_ITEMS + 1))
    assert (reply.status_code, "10000" in reply.json()["error"]) == (413, True)


def test_every_request_has_a_fate(client: Any) -> None:
    """What is rejected counts as refused, with the good items beside it if those go too; the rest as journaled."""

    def count() -> dict[str, int]:
        counters = client.collector.health()["counters"]
        requests = [f"requests_{fate}" for fate in ("received", "refused", "journaled", "empty")]
        return {
            name: counters.get(name, 0) for name in (*requests, "items_received", "items_refused", "items_journaled")
        }

    before, click = count(), CLICK | {"component": secrets.token_hex(8)}
    for payload in (click, BAD, [click, BAD], [click, click], [], b"{", {"user_message": "not here"}):
        client.post(PATH, payload)
    client.post(f"{PATH}?partial=1", [BAD, click])
    client.post(f"{PATH}?partial=perhaps", click)
    assert {name: total - before[name] for name, total in count().items()} == {
        "requests_received": 9,
        "requests_refused": 5,
        "requests_journaled": 3,
        "requests_empty": 1,
        "items_received": 9,  # the JSON that does not read and the wrong switch have none
        "items_refused": 5,
        "items_journaled": 4,
    }
    client.wait_until_stored()
    assert_balanced(client.collector.health())


# What the running collector does not do on demand: the endpoints on an intake whose journal is ours.


NO_KEYS = Path(__file__).with_name("no-keys.json")  # there is no such file


def application(append: Callable[[Request], Any], limit: int = 1 << 24) -> FastAPI:
    ring, counters = KeyRing(NO_KEYS), Counters()
    admission = Admission(Doorman(ring, counters, local=True), Rates(ring, Rate(), burst=1), Room(1 << 26), 10.0)
    app = FastAPI()
    app.router.routes.extend(endpoint.routes(Intake(append, limit, counters), admission))
    return app


def http(append: Callable[[Request], Any], limit: int = 1 << 24) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(application(append, limit)), base_url="http://test")


async def test_too_large() -> None:
    """The size limit holds for JSON, after decompression, and for the OTLP it becomes: 413; just below it passes."""
    journaled = []

    async def append(request: Request) -> None:
        journaled.append(request)

    large, packed = json.dumps(CLICK | {"details": "x" * 2000}).encode(), {"content-encoding": "gzip"}
    headers = {"content-type": "application/json"}
    async with http(append, limit=2000) as client:
        replies = [
            await client.post(PATH, content=large, headers=headers),
            await client.post(PATH, content=gzip.compress(large), headers=headers | packed),
            await client.post(PATH, json=[{"action": "a"}] * 40),
        ]
        assert [(reply.status_code, reply.json()["accepted"]) for reply in replies] == [(413, 0)] * 3
        assert journaled == []
        assert (await client.post(PATH, content=large[:-600] + b'"}', headers=headers)).status_code == 200


async def test_not_now() -> None:
    """A journal that cannot take it: 503 with Retry-After, in JSON; nothing is accepted."""

    async def refuse(_: Request) -> None:
        raise Retryable("the disk is full")

    async with http(refuse) as client:
        reply = await client.post(PATH, json=[CLICK])
    assert (reply.status_code, int(reply.headers["retry-after"]) > 0) == (503, True)
    assert reply.json() == {"accepted": 0, "rejected": [], "error": "the disk is full"}


async def test_answered_once_it_is_durable() -> None:
    """No answer before the journal has it; the peer is on record, the whole batch is one request."""
    taken, durable = asyncio.Queue[Request](), asyncio.Event()

    async def append(request: Request) -> None:
        await taken.put(request)
        await durable.wait()

    async with http(append) as client:
        answer = asyncio.create_task(client.post(PATH, json=[CLICK] * 3))
        request = await taken.get()
        await asyncio.sleep(0.05)
        assert not answer.done()
        durable.set()
        assert (await answer).json() == {"accepted": 3, "rejected": []}
    assert (request.items, request.peer) == (3, "127.0.0.1")


async def test_sent_again_it_is_the_same_body() -> None:
    """A batch that is sent again, with timestamps, reaches the journal as the same bytes."""
    bodies = []

    async def keep(request: Request) -> None:
        bodies.append(request.body)

    async with http(keep) as client:
        for _ in range(2):
            await client.post(PATH, json=[CLICK, CLICK | {"sessionId": "s", "id": 1}])
    assert bodies[0] == bodies[1]


async def test_large_batches_leave_the_loop_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """A large body is converted on another thread, a small one where it is."""
    threads = []

    def convert(*given: Any) -> batch.Batch:
        threads.append(threading.current_thread() is threading.main_thread())
        return batch.convert(*given)

    async def append(_: Request) -> None:
        pass

    monkeypatch.setattr(endpoint, "convert", convert)
    async with http(append) as client:
        for items in (1, 500):
            reply = await client.post(PATH, json=[CLICK | {"component": secrets.token_hex(8)}] * items)
            assert reply.json()["accepted"] == items
    assert threads == [True, False]


async def test_a_client_that_goes_away() -> None:
    """Half a request is no request: it is answered to nobody, and nothing is journaled."""
    journaled = []

    async def append(request: Request) -> None:
        journaled.append(request)

    app = application(append)
    messages = iter([{"type": "http.request", "body": b"[", "more_body": True}, {"type": "http.disconnect"}])
    sent = []

    async def receive() -> Any:
        return next(messages)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": PATH,
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
        "client": None,
    }
    await app(scope, receive, send)
    assert (sent[0]["status"], journaled) == (400, [])
