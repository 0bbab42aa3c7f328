"""Requests and WebSockets inside their sessions: FastAPI and Starlette on a real server, asked by real clients."""

from __future__ import annotations

import asyncio
import http.cookies
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
import pytest
import websockets.exceptions
import websockets.sync.client as ws
from asgi_server import eventually, serving
from fastapi import BackgroundTasks, FastAPI, HTTPException, Request, WebSocket, WebSocketDisconnect
from opentelemetry import trace
from processes import CollectorProcess
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route

import otel_interactions as oi
from otel_interactions.guard import Guard
from otel_interactions.integrations import asgi, web
from otel_interactions.integrations.asgi import SessionMiddleware
from otel_interactions.process import PROCESS
from otel_interactions.testing import Captured, Interaction, captured

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"

Handler = Callable[..., Any]


@pytest.fixture(autouse=True)
def counts_from_zero() -> None:
    """Have `status()` count what this test records, and nothing else."""
    PROCESS.renew()


def current_id() -> str | None:
    """Return the id of the current session."""
    current = oi.current_session()
    return None if current is None else current.id


def application(handler: Handler | None = None, path: str = "/", **settings: Any) -> FastAPI:
    """Return an application with the middleware, whose `/say` records a message, and with a handler of a test's own.

    FastAPI's own spans are off: they stand between where an earlier test of this process left a global provider.
    """
    app = FastAPI(telemetry={"tracing": False})
    app.add_middleware(SessionMiddleware, **settings)

    @app.get("/say")
    async def say(text: str = "hello") -> dict[str, str | None]:
        oi.user_message(text)
        return {"session": current_id()}

    @app.websocket("/chat")
    async def chat(socket: WebSocket) -> None:
        await socket.accept()
        with suppress(WebSocketDisconnect):
            while True:
                oi.user_message(await socket.receive_text())
                await socket.send_text(str(current_id()))

    if handler is not None:
        app.add_api_route(path, handler, methods=["GET", "POST"])
    return app


def with_socket(handler: Callable[[WebSocket], Awaitable[None]], **settings: Any) -> FastAPI:
    """Return an application with a WebSocket at `/ws`."""
    app = application(**settings)
    app.add_api_websocket_route("/ws", handler)
    return app


def ended(seen: Captured) -> Interaction:
    """Wait for the end of a session, which may be after the client has its answer."""
    eventually(lambda: seen.of_type("session_end"))
    return seen.one("session_end")


def reason(end: Interaction) -> object:
    """Return why a session ended."""
    return end.attributes["interaction.session.end_reason"]


# Sessions of requests.


def test_a_request_that_names_no_session_begins_one(seen: Captured) -> None:
    """It has a start that says who the client is, what the handler records is in it, and the client gets its id."""
    with serving(application()) as server:
        answer = httpx.get(f"{server.http}/say", headers={"User-Agent": "Browser/1"})
    cookie = http.cookies.SimpleCookie(answer.headers["set-cookie"])["session_id"]
    assert cookie.value == answer.json()["session"] == "session-1"
    assert (cookie["path"], cookie["httponly"], cookie["samesite"]) == ("/", True, "Lax")
    assert (cookie["secure"], cookie["max-age"]) == ("", "")
    assert seen.types() == ["session_start", "user_message"]  # and no end: the next request goes on with it
    start, message = seen.interactions
    assert start.attributes["client.address"] == "127.0.0.1"
    assert start.attributes["user_agent.original"] == "Browser/1"
    assert "interaction.session.resumed" not in start.attributes
    assert message.session_id == "session-1"
    assert message.parent_id == start.span_id


def test_a_long_user_agent_is_cut(seen: Captured) -> None:
    """What a client says of itself takes no more room than it needs."""
    with serving(application()) as server:
        httpx.get(f"{server.http}/say", headers={"User-Agent": "x" * 10_000})
    agent = seen.one("session_start").attributes["user_agent.original"]
    assert agent.startswith("x" * 1024 + "… [cut after 1024 of 10000 bytes")


def test_the_next_requests_go_on_with_it(seen: Captured) -> None:
    """One start, whatever the number of requests; the cookie is set once."""
    with serving(application()) as server, httpx.Client(base_url=server.http) as client:
        answers = [client.get("/say") for _ in range(4)]
    assert ["set-cookie" in answer.headers for answer in answers] == [True, False, False, False]
    assert seen.types() == ["session_start", *["user_message"] * 4]
    assert len({each.trace_id for each in seen.interactions}) == 1


def test_a_session_begun_elsewhere_is_resumed_once(seen: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first request of it here says that it goes on here; so does one after a long silence."""
    with serving(application()) as server:
        for _ in range(3):
            answer = httpx.get(f"{server.http}/say", headers={"X-Session-Id": "from-elsewhere"})
            assert "set-cookie" not in answer.headers
        assert seen.types() == ["session_start", *["user_message"] * 3]
        assert seen.one("session_start").attributes["interaction.session.resumed"] is True
        assert {each.session_id for each in seen.interactions} == {"from-elsewhere"}
        monkeypatch.setattr(asgi, "SEEN_SECONDS", 0.0)
        httpx.get(f"{server.http}/say", headers={"X-Session-Id": "from-elsewhere"})
    assert seen.types()[4:] == ["session_start", "user_message"]


def test_only_so_many_sessions_are_kept_in_mind(seen: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those asked for longest ago are forgotten first, and told of anew."""
    monkeypatch.setattr(asgi, "MOST_SEEN", 2)
    with serving(application()) as server:
        for name in ("a", "b", "a", "c", "a", "b"):
            httpx.get(f"{server.http}/say", headers={"X-Session-Id": name})
    assert [each.session_id for each in seen.of_type("session_start")] == ["a", "b", "c", "b"]


def test_the_places_a_session_is_named(seen: Captured) -> None:
    """Header, then cookie, then query string, then baggage; the names may be chosen."""
    given: dict[str, Any] = {"headers": {"X-Chat": "h", "Baggage": "session.id=b"}, "params": {"chat": "q"}}
    with serving(application(header="X-Chat", cookie="chat_cookie", query="chat")) as server:

        def answered() -> object:
            with httpx.Client(cookies=given.get("cookies"), base_url=server.http) as client:
                return client.get("/say", params=given.get("params"), headers=given.get("headers")).json()["session"]

        given["cookies"] = {"chat_cookie": "c"}
        assert answered() == "h"
        del given["headers"]["X-Chat"]
        assert answered() == "c"
        del given["cookies"]
        assert answered() == "q"
        del given["params"]
        assert answered() == "b"
        del given["headers"]
        assert answered() == "session-1"
    assert len(seen.of_type("session_start")) == 5


@pytest.mark.parametrize("odd", ["x" * 129, "a b", "<script>", "a,b", "'; DROP TABLE sessions"])
def test_an_odd_id_is_replaced(seen: Captured, odd: str) -> None:
    """What a client sends is recorded only if it is short and plain."""
    with serving(application()) as server:
        answer = httpx.get(f"{server.http}/say", headers={"X-Session-Id": odd, "Cookie": f"session_id={odd}"})
    assert answer.json() == {"session": "session-1"}
    assert "session_id=session-1" in answer.headers["set-cookie"]
    assert odd not in json.dumps([dict(each.attributes) for each in seen.interactions])


def test_a_session_that_nobody_can_go_on_with_ends(seen: Captured) -> None:
    """Without a cookie a request that names no session is all there is of one, streamed or not."""

    async def streamed() -> StreamingResponse:
        async def chunks() -> AsyncIterator[str]:
            for text in ("a", "b"):
                oi.user_message(text)
                yield text

        return StreamingResponse(chunks())

    for path, messages in (("/say", 1), ("/", 2)):
        with serving(application(streamed, set_cookie=False)) as server:
            assert "set-cookie" not in httpx.get(server.http + path).headers
            assert reason(ended(seen)) == "completed"
        assert seen.types() == ["session_start", *["user_message"] * messages, "session_end"]
        seen.clear()


@pytest.mark.parametrize("headers", [{"Cache-Control": "public, max-age=60"}, {"Set-Cookie": "session_id=my-own"}])
def test_responses_that_carry_no_cookie(seen: Captured, headers: dict[str, str]) -> None:
    """What a shared cache may hand to others, and what has the application's own cookie, stays as it is."""

    async def page() -> Response:
        return PlainTextResponse("hi", headers=headers)

    with serving(application(page)) as server:
        answer = httpx.get(server.http)
        assert reason(ended(seen)) == "completed"
    assert answer.headers.get("set-cookie") == headers.get("Set-Cookie")


def test_the_cookie_over_tls(seen: Captured) -> None:
    """Where the request came by https, the cookie goes nowhere else; its age may be chosen."""
    app = application(cookie_max_age=3600)
    with serving(app, proxy_headers=True) as server:
        answer = httpx.get(f"{server.http}/say", headers={"X-Forwarded-Proto": "https"})
    assert answer.headers["set-cookie"].endswith("; Secure; Max-Age=3600")
    assert seen.types() == ["session_start", "user_message"]


def test_one_response_object_for_all(seen: Captured) -> None:
    """A response that an application makes once and sends each time is not changed: each client has its own cookie."""
    once = PlainTextResponse("static")

    async def page() -> Response:
        return once

    with serving(application(page)) as server:
        answers = [httpx.get(server.http) for _ in range(3)]
    assert [answer.headers.get_list("set-cookie")[0].partition(";")[0] for answer in answers] == [
        f"session_id=session-{number}" for number in (1, 2, 3)
    ]
    assert all(len(answer.headers.get_list("set-cookie")) == 1 for answer in answers)
    assert len(seen.of_type("session_start")) == 3


# Who the client is, and who the user.


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        ({}, "127.0.0.1"),
        ({"trusted_proxies": ["127.0.0.0/8"]}, "198.51.100.1"),
        ({"trusted_proxies": ["127.0.0.0/8"], "forwarded_header": "Forwarded"}, "2001:db8::1"),
        ({"trusted_proxies": ["10.0.0.1"]}, "127.0.0.1"),
    ],
)
def test_the_client_behind_proxies(seen: Captured, settings: dict[str, Any], address: str) -> None:
    """What proxies say of the client counts where they are trusted, in the header that they write."""
    said = {"X-Forwarded-For": "6.6.6.6, 198.51.100.1:99", "Forwarded": 'for=6.6.6.6, for="[2001:db8::1]:4711"'}
    with serving(application(**settings)) as server:
        httpx.get(f"{server.http}/say", headers=said)
    assert seen.one("session_start").attributes["client.address"] == address


def test_a_proxy_on_a_unix_socket(seen: Captured, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A server on a Unix socket knows no client; where the proxy there is trusted, it says who it is."""
    path = tmp_path_factory.mktemp("unix") / "socket"
    app = application(trusted_proxies=["unix"])
    with serving(app, unix=path), httpx.Client(transport=httpx.HTTPTransport(uds=str(path))) as client:
        client.get("http://x/say")
        client.get("http://x/say", headers={"X-Forwarded-For": "198.51.100.1", "X-Session-Id": "a"})
    first, second = seen.of_type("session_start")
    assert "client.address" not in first.attributes
    assert second.attributes["client.address"] == "198.51.100.1"


def test_the_user(seen: Captured) -> None:
    """A function of the scope says who the user is and what they agreed to; it may have to wait for the answer."""

    async def user_id(scope: asgi.Scope) -> str | None:
        await asyncio.sleep(0)
        return dict(scope["headers"]).get(b"x-user", b"").decode() or None

    def consent(scope: asgi.Scope) -> bool | None:
        return {b"yes": True, b"no": False}.get(dict(scope["headers"]).get(b"x-agreed", b""))

    with serving(application(user_id=user_id, consent=consent)) as server:
        known = httpx.get(f"{server.http}/say", headers={"X-User": "anna", "X-Agreed": "yes"})
        hidden = httpx.get(f"{server.http}/say", headers={"X-User": "bilal", "X-Agreed": "no"})
        httpx.get(f"{server.http}/say")
        eventually(lambda: seen.of_type("session_end"))
    assert "set-cookie" in known.headers
    assert "set-cookie" not in hidden.headers  # nothing is kept in the browser of one who said no
    starts = seen.of_type("session_start")
    assert [each.user_id for each in starts] == ["anna", starts[1].user_id, None]
    assert str(starts[1].user_id).startswith("anon-")
    assert str(starts[1].session_id).startswith("anon-")
    assert starts[1].attributes["client.address"] == "127.0.0.0"
    assert seen.one("session_end").session_id == starts[1].session_id


@pytest.mark.parametrize(
    ("settings", "kept"),
    [({}, True), ({"require_consent": True}, False), ({"anonymous": True}, True)],
)
def test_what_is_kept_in_the_browser(grpc_receiver: Any, settings: dict[str, Any], kept: bool) -> None:
    """Nothing of who has yet to agree; where all are anonymous anyway, what makes their requests one session."""
    oi.configure(endpoint=grpc_receiver.endpoint, set_global=False, hash_key="k" * 32, **settings)
    with serving(application()) as server, httpx.Client(base_url=server.http) as client:
        assert ["set-cookie" in client.get("/say").headers for _ in range(2)] == [kept, False]
        eventually(lambda: sum(oi.status().recorded.values()) == (3 if kept else 6))
    assert oi.flush()
    sessions = {span.attributes["session.id"] for span in grpc_receiver.spans}
    assert len(sessions) == (1 if kept else 2)
    assert all(each.startswith("anon-") is bool(settings) for each in sessions)


def test_functions_that_fail(seen: Captured, lines: Callable[[], list[str]]) -> None:
    """The request goes on: of an unknown user, who has not agreed; and the log says what failed."""

    def fails(scope: asgi.Scope) -> Any:
        raise LookupError(f"no {scope['path']}")

    with serving(application(user_id=fails, consent=fails, exclude=fails)) as server:
        assert httpx.get(f"{server.http}/say").status_code == 200
    start = seen.one("session_start")
    assert start.user_id is None
    assert str(start.session_id).startswith("anon-")
    for name in ("user_id", "consent", "exclude"):
        assert [line for line in lines() if line.startswith(f"{name}=... failed") and "no /say" in line]


# What belongs to a request.


def test_everything_that_answers_a_request_is_in_its_session(seen: Captured) -> None:
    """Handlers in threads, streamed bodies of both kinds, background tasks, tasks started aside."""

    def threaded(tasks: BackgroundTasks) -> str:
        oi.user_message("thread")
        tasks.add_task(oi.event, "api", "background")
        return "done"

    async def streamed() -> StreamingResponse:
        async def chunks() -> AsyncIterator[str]:
            for number in range(3):
                oi.event("api", f"chunk {number}")
                yield str(number)
                await asyncio.sleep(0)

        return StreamingResponse(chunks())

    def streamed_by_a_thread() -> StreamingResponse:
        def chunks() -> Iterator[str]:
            for number in range(3):
                oi.event("api", f"threaded {number}")
                yield str(number)

        return StreamingResponse(chunks())

    app = application(threaded, "/thread")
    app.add_api_route("/stream", streamed)
    app.add_api_route("/slow", streamed_by_a_thread)
    with serving(app) as server, httpx.Client(base_url=server.http, headers={"X-Session-Id": "s"}) as client:
        assert client.get("/thread").status_code == 200
        assert client.get("/stream").text == client.get("/slow").text == "012"
        eventually(lambda: len(seen.interactions) == 9)
    assert {each.session_id for each in seen.interactions} == {"s"}
    assert oi.status().without_session == 0


def test_a_stream_is_not_held_back(seen: Captured) -> None:
    """The client has the first part, and the cookie, before the second one is made."""
    first_arrived = threading.Event()

    async def streamed() -> StreamingResponse:
        async def chunks() -> AsyncIterator[str]:
            yield "first"
            assert await asyncio.to_thread(first_arrived.wait, 10)
            oi.event("api", "second")
            yield "second"

        return StreamingResponse(chunks())

    with serving(application(streamed)) as server, httpx.stream("GET", server.http) as answer:
        assert "session_id=session-1" in answer.headers["set-cookie"]
        parts = answer.iter_text()
        assert next(parts) == "first"
        next_one = httpx.get(f"{server.http}/say", cookies=dict(answer.cookies)).json()
        first_arrived.set()
        assert "".join(parts) == "second"
    assert next_one == {"session": "session-1"}
    assert seen.types() == ["session_start", "user_message", "event"]  # one start, though the first is not over


@pytest.mark.parametrize("set_cookie", [True, False])
def test_a_client_that_goes_in_the_middle_of_a_stream(seen: Captured, set_cookie: bool) -> None:
    """The stream is cancelled. A session that can go on does so; another one ends with the reason."""
    stopped = threading.Event()

    async def streamed() -> StreamingResponse:
        async def chunks() -> AsyncIterator[str]:
            try:
                while True:
                    yield "tick"
                    await asyncio.sleep(0.01)
            finally:
                oi.event("api", "stopped")
                stopped.set()

        return StreamingResponse(chunks())

    with serving(application(streamed, set_cookie=set_cookie)) as server:
        with httpx.stream("GET", server.http) as answer:
            assert next(answer.iter_text())
        assert stopped.wait(10)
        if not set_cookie:
            assert reason(ended(seen)) == "disconnect"
            assert not seen.one("session_end").failed
    expected = ["session_start", "event"] if set_cookie else ["session_start", "event", "session_end"]
    assert seen.types() == expected
    assert {each.session_id for each in seen.interactions} == {"session-1"}


def test_a_client_that_goes_while_it_uploads(seen: Captured) -> None:
    """What Starlette raises then is not the application's failure."""

    async def upload(request: Request) -> int:
        return len(await request.body())

    with serving(application(upload)) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as plain:
            plain.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
            eventually(lambda: seen.interactions)
        assert reason(ended(seen)) == "disconnect"
    assert seen.types() == ["session_start", "session_end"]


# Failures.


def test_an_exception_is_an_error_of_a_session_that_goes_on(seen: Captured) -> None:
    """Once, with where it happened; the session stays open, and the client has what it has without us."""

    async def broken() -> None:
        raise ValueError("boom")

    async def refused() -> None:
        raise HTTPException(404)

    app = application(broken, "/broken")
    app.add_api_route("/refused", refused)
    with serving(app) as server:
        for path, status in (("/broken", 500), ("/refused", 404), ("/say", 200)):
            assert httpx.get(server.http + path, headers={"X-Session-Id": "s"}).status_code == status
    assert seen.types() == ["session_start", "error", "user_message"]
    error = seen.one("error")
    assert error.attributes["exception.message"] == "boom"
    assert "in broken" in error.attributes["exception.stacktrace"]
    assert (error.attributes["http.request.method"], error.attributes["url.path"]) == ("GET", "/broken")


def test_an_exception_in_the_first_request(seen: Captured) -> None:
    """The answer to it has no cookie, so nobody goes on with that session: it ends with the error."""

    async def broken() -> None:
        raise ValueError("boom")

    with serving(application(broken)) as server:
        assert "set-cookie" not in httpx.get(server.http).headers
        end = ended(seen)
    assert (reason(end), end.failed, end.attributes["exception.message"]) == ("error", True, "boom")
    assert seen.types() == ["session_start", "session_end"]


@pytest.mark.parametrize("kind", [ValueError, asyncio.CancelledError, KeyboardInterrupt])
async def test_exceptions_pass_as_they_are(seen: Captured, kind: type[BaseException]) -> None:
    """The very object, of any kind."""
    problem = kind("mine")

    async def app(*_: object) -> None:
        raise problem

    async def never(*_: object) -> Any:
        raise AssertionError

    scope = {"type": "http", "headers": [], "path": "/"}
    with pytest.raises(kind) as caught:
        await SessionMiddleware(app)(scope, never, never)
    assert caught.value is problem
    assert set(scope) == {"type", "headers", "path"}  # servers keep it for as long as the connection
    expected = {ValueError: "error", asyncio.CancelledError: "cancelled", KeyboardInterrupt: "interrupted"}
    assert reason(seen.one("session_end")) == expected[kind]
    assert oi.current_session() is None


@pytest.mark.usefixtures("seen")
@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (asgi, "brought"),
        (web.Cookie, "header"),
        (asgi._Seen, "is_news"),
        (asgi._Visit, "_leave"),
        (asgi._Visit, "_end"),
    ],
)
def test_our_own_faults_stay_ours(
    monkeypatch: pytest.MonkeyPatch, lines: Callable[[], list[str]], owner: object, name: str
) -> None:
    """Whatever breaks in here, the application answers as if we were not there."""

    def fault(*_: object, **__: object) -> None:
        raise RuntimeError("ours")

    monkeypatch.setattr(Guard, "reraise", False)
    monkeypatch.setattr(owner, name, fault)
    with serving(application()) as server:
        assert httpx.get(f"{server.http}/say").status_code == 200
        with ws.connect(f"{server.ws}/chat") as chat:
            chat.send("hello")
            assert chat.recv()
        eventually(lambda: [line for line in lines() if "a fault inside otel_interactions" in line])


# Many at once.


async def test_requests_at_the_same_time(seen: Captured) -> None:
    """Fifty requests in ten sessions, all in the handler at once: each message is in its own session."""
    together = asyncio.Event()
    waiting = 0

    async def wait(text: str) -> str:
        nonlocal waiting
        waiting += 1
        if waiting == 50:
            together.set()
        await together.wait()
        oi.user_message(text)
        await asyncio.sleep(0)
        return str(current_id())

    with serving(application(wait, "/wait")) as server:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=server.http, limits=limits, timeout=30) as client:
            answers = await asyncio.gather(
                *(
                    client.get("/wait", params={"text": f"s{n % 10}"}, headers={"X-Session-Id": f"s{n % 10}"})
                    for n in range(50)
                )
            )
    assert [answer.json() for answer in answers] == [f"s{n % 10}" for n in range(50)]
    messages = seen.of_type("user_message")
    assert len(messages) == 50
    assert all(each.text == each.session_id for each in messages)
    assert len(seen.of_type("session_start")) == 10


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("http_parser", ["h11", "httptools"])
def test_nothing_leaks_into_the_next_request_of_a_connection(seen: Captured, loop: str, http_parser: str) -> None:
    """Pipelined requests are started by the server inside the one before; they have nothing of its session."""

    async def who() -> str:
        return f"<{current_id()}>"

    app = application(who, "/outside", exclude=["/outside"])
    request = b"GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n"
    close = b"Connection: close\r\n"
    with (
        serving(app, loop=loop, http=http_parser) as server,
        socket.create_connection(("127.0.0.1", server.port)) as plain,
    ):
        plain.sendall(
            request % (b"/say", b"X-Session-Id: one\r\n")
            + request % (b"/outside", b"")
            + request % (b"/say", b"X-Session-Id: two\r\n" + close)
        )
        answers = b"".join(iter(lambda: plain.recv(65536), b"")).decode()
    assert '"session":"one"' in answers
    assert "<None>" in answers
    assert '"session":"two"' in answers
    assert [each.links for each in seen.interactions] == [()] * 4


def test_nothing_leaks_through_the_readers_of_a_connection(seen: Captured) -> None:
    """A large body makes the server stop and go on reading inside the application; the next request is not affected."""

    async def upload(request: Request) -> int:
        await asyncio.sleep(0.2)  # until the server has read as much as it will
        return len(await request.body())

    async def who() -> str:
        return f"<{current_id()}>"

    def body() -> Iterator[bytes]:
        yield b"x" * 1_000_000
        time.sleep(0.5)  # by now the server reads again; this last part does not make it stop
        yield b"x"

    app = application(upload, exclude=["/outside"])
    app.add_api_route("/outside", who)
    with serving(app, loop="asyncio") as server, httpx.Client(base_url=server.http) as client:
        assert client.post("/", content=body(), headers={"X-Session-Id": "one"}).json() == 1_000_001
        assert client.get("/outside").json() == "<None>"
    assert seen.types() == ["session_start"]


# With what stands around it.


@pytest.mark.parametrize("inside", [True, False])
def test_with_middleware_of_starlettes_kind(seen: Captured, inside: bool) -> None:
    """BaseHTTPMiddleware runs the application in another task: in or around ours, all is recorded in the session."""

    async def dispatch(request: Request, call_next: RequestResponseEndpoint) -> Response:
        if inside:
            oi.event("middleware", "before")
        answer = await call_next(request)
        if inside:
            oi.event("middleware", "after")
        return answer

    async def streamed() -> StreamingResponse:
        async def chunks() -> AsyncIterator[str]:
            oi.event("api", "chunk")
            yield "chunk"

        return StreamingResponse(chunks())

    app = FastAPI(telemetry={"tracing": False})
    order: list[Any] = [(SessionMiddleware, {}), (BaseHTTPMiddleware, {"dispatch": dispatch})]
    for middleware, settings in reversed(order) if inside else order:
        app.add_middleware(middleware, **settings)
    app.add_api_route("/", streamed)
    with serving(app) as server, httpx.Client(base_url=server.http) as client:
        assert [client.get("/").text for _ in range(3)] == ["chunk"] * 3
    assert len(seen.interactions) == (1 + 3 * 3 if inside else 1 + 3)
    assert {each.session_id for each in seen.interactions} == {"session-1"}


def test_with_fastapis_server_span_around_it(seen: Captured) -> None:
    """The server's span stays in the caller's trace; the session is linked to it, and what is traced inside joins."""
    app = FastAPI(telemetry={"tracer_provider": seen._provider, "metrics": False, "logs": False})
    app.add_middleware(SessionMiddleware)

    async def traced() -> None:
        with seen.tracer("db").start_as_current_span("SELECT"):
            oi.user_message("hello")

    async def traced_socket(socket: WebSocket) -> None:
        await socket.accept()
        oi.user_message(await socket.receive_text())

    app.add_api_route("/", traced)
    app.add_api_websocket_route("/ws", traced_socket)
    with serving(app) as server:
        headers = {"X-Session-Id": "s", "traceparent": f"00-{TRACE}-{SPAN}-01"}
        assert httpx.get(server.http, headers=headers).status_code == 200
        eventually(lambda: any(span.name == "GET /" for span in seen.spans))
        with ws.connect(f"{server.ws}/ws", additional_headers={"X-Session-Id": "t"}) as connection:
            connection.send("hello")
        eventually(lambda: any(span.name == "WS /ws" for span in seen.spans))
    spans: dict[str, Any] = {span.name: span for span in seen.spans}
    request, query, connected = spans["GET /"], spans["SELECT"], spans["WS /ws"]
    assert (f"{request.context.trace_id:032x}", request.kind) == (TRACE, trace.SpanKind.SERVER)
    assert "session.id" not in request.attributes
    start, message = seen.interactions[:2]
    assert start.links == message.links == ((TRACE, f"{request.context.span_id:016x}"),)
    assert message.parent_id == f"{query.context.span_id:016x}"
    assert (query.attributes["session.id"], f"{query.context.trace_id:032x}") == ("s", message.trace_id)
    there = f"{connected.context.trace_id:032x}", f"{connected.context.span_id:016x}"
    assert [(each.session_id, each.links) for each in seen.interactions[2:]] == [("t", (there,))] * 3


def test_a_caller_in_another_trace_is_linked(seen: Captured) -> None:
    """Without a server span the caller's own is linked, if it is recorded anywhere."""
    with serving(application()) as server:
        for flags in ("01", "00"):
            headers = {"X-Session-Id": flags, "traceparent": f"00-{TRACE}-{SPAN}-{flags}"}
            httpx.get(f"{server.http}/say", headers=headers)
    assert [each.links for each in seen.interactions] == [((TRACE, SPAN),)] * 2 + [()] * 2


def test_a_caller_in_the_same_session(seen: Captured) -> None:
    """Another service that sends the session along in baggage: what is recorded here is below its span."""
    there = oi.resume("shared")
    parent = f"00-{there.trace_id}-{SPAN}-01"
    with serving(application()) as server:
        answer = httpx.get(f"{server.http}/say", headers={"baggage": "session.id=shared", "traceparent": parent})
        assert answer.json() == {"session": "shared"}
        httpx.get(f"{server.http}/say", headers={"baggage": "session.id=shared", "traceparent": parent[:-1] + "0"})
    first, second = seen.of_type("user_message")
    assert (first.trace_id, first.parent_id, first.links) == (there.trace_id, SPAN, ())
    assert second.parent_id == there.root_span_id  # a client cannot switch the recording off


def test_what_is_left_alone(seen: Captured) -> None:
    """Excluded paths, what lies below them, and a browser's question beforehand are part of no session."""

    async def who() -> str:
        return f"<{current_id()}>"

    paths = ["/health", "/health/", "/health/deep", "/healthy", "/"]
    app = application(who, "/{path:path}", exclude=["/health/", "/"])
    with serving(app) as server:
        found = [httpx.get(server.http + path).json() for path in paths]
        asked = {"Origin": "https://shop.example", "Access-Control-Request-Method": "GET"}
        assert httpx.options(f"{server.http}/healthy", headers=asked).status_code == 405
    assert found == ["<None>", "<None>", "<None>", "<session-1>", "<None>"]
    assert seen.types() == ["session_start"]


def test_with_cors(seen: Captured) -> None:
    """A page of another origin asks first, then calls with its cookies: one session, in either order of the two."""
    for outermost in (True, False):
        app = application()
        app.add_middleware(CORSMiddleware, allow_origins=["https://shop.example"], allow_credentials=True)
        whole = SessionMiddleware(app) if outermost else app
        with serving(whole) as server, httpx.Client(base_url=server.http) as client:
            origin = {"Origin": "https://shop.example"}
            assert client.options("/say", headers=origin | {"Access-Control-Request-Method": "GET"}).status_code == 200
            for _ in range(2):
                assert client.get("/say", headers=origin).headers["access-control-allow-origin"] == origin["Origin"]
        assert seen.types() == ["session_start", "user_message", "user_message"]  # the inner one leaves it to the outer
        seen.clear()


def test_excluded_by_a_function(seen: Captured) -> None:
    """A function of the scope may say what is left alone."""
    with serving(application(exclude=lambda scope: scope["method"] == "HEAD")) as server:
        httpx.head(f"{server.http}/say")
        assert seen.interactions == []
        httpx.get(f"{server.http}/say")
    assert seen.types() == ["session_start", "user_message"]


def test_an_application_inside_another(seen: Captured) -> None:
    """Mounted ones with a middleware of their own are in the outer one's session."""

    async def say(_: Request) -> Response:
        oi.user_message("from inside")
        return JSONResponse(current_id())

    inner = Starlette(routes=[Route("/say", say)])
    inner.add_middleware(SessionMiddleware, cookie="inner")
    app = Starlette(routes=[Mount("/inner", inner)])
    app.add_middleware(SessionMiddleware)
    with serving(app) as server:
        answer = httpx.get(f"{server.http}/inner/say")
    assert answer.json() == "session-1"
    assert len(answer.headers.get_list("set-cookie")) == 1
    assert seen.types() == ["session_start", "user_message"]


def test_the_lifespan_of_the_application(seen: Captured) -> None:
    """It starts and stops as ever, with its state, outside any session."""
    heard: list[object] = []

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[dict[str, object]]:
        heard.append(current_id())
        yield {"model": "loaded"}
        heard.append("stopped")

    async def state(request: Request) -> Response:
        return PlainTextResponse(request.state.model)

    app = Starlette(routes=[Route("/", state)], lifespan=lifespan)
    app.add_middleware(SessionMiddleware)
    with serving(app, lifespan="on") as server:
        assert httpx.get(server.http).text == "loaded"
    assert heard == [None, "stopped"]
    assert seen.types() == ["session_start"]


def test_no_framework_is_needed() -> None:
    """Importing it brings in neither Starlette nor FastAPI."""
    brings = (
        "import sys, otel_interactions.integrations.asgi; print({'starlette', 'fastapi', 'anyio'} & set(sys.modules))"
    )
    answer = subprocess.run([sys.executable, "-c", brings], capture_output=True, text=True, timeout=60, check=True)
    assert answer.stdout == "set()\n"


def test_nothing_configured() -> None:
    """Without configure() the application is what it is without us; the current session is there to be asked."""
    with serving(application()) as server:
        answer = httpx.get(f"{server.http}/say")
        assert answer.status_code == 200
        assert answer.json()["session"]
        assert "set-cookie" not in answer.headers
        with ws.connect(f"{server.ws}/chat") as chat:
            chat.send("hello")
            assert chat.recv()
            assert chat.response is not None
            assert "set-cookie" not in chat.response.headers
    assert oi.status().recorded == {}


# WebSockets.


def test_a_websocket_is_a_session(seen: Captured) -> None:
    """It begins when it is accepted, has its cookie in the handshake, and ends when the client goes."""
    with serving(application()) as server:
        with ws.connect(f"{server.ws}/chat", user_agent_header="Browser/1") as chat:
            assert chat.response is not None
            assert "session_id=session-1; Path=/; HttpOnly; SameSite=Lax" in chat.response.headers["set-cookie"]
            chat.send("hello")
            assert chat.recv() == "session-1"
            assert seen.types() == ["session_start", "user_message"]
            chat.close(1001)
        end = ended(seen)
    assert (reason(end), end.attributes["interaction.session.close_code"]) == ("disconnect", 1001)
    assert not end.failed
    assert seen.types() == ["session_start", "user_message", "session_end"]
    start = seen.one("session_start")
    assert start.attributes["client.address"] == "127.0.0.1"
    assert start.attributes["user_agent.original"] == "Browser/1"


def test_a_connection_that_breaks(seen: Captured) -> None:
    """A network that is gone, without a word, is a disconnect as well."""
    with serving(application()) as server:
        chat = ws.connect(f"{server.ws}/chat")
        chat.send("hello")
        chat.recv()
        chat.socket.shutdown(socket.SHUT_RDWR)
        end = ended(seen)
        with suppress(websockets.exceptions.ConnectionClosed):
            chat.recv()
        chat.socket.close()
    assert reason(end) == "disconnect"
    assert end.attributes["interaction.session.close_code"] in {1005, 1006}


def test_a_server_that_stops(seen: Captured) -> None:
    """The sessions of open WebSockets end with it."""
    with serving(application()) as server, ws.connect(f"{server.ws}/chat") as chat:
        chat.send("hello")
        chat.recv()
        server.stop()
        end = ended(seen)
    assert (reason(end), end.attributes["interaction.session.close_code"]) == ("disconnect", 1012)


def test_the_application_closes(seen: Captured) -> None:
    """Then it is completed, with the code the application gave, even if it goes on to hear that the client went."""

    async def polite(socket: WebSocket) -> None:
        await socket.accept()
        await socket.close()

    async def listens_on(socket: WebSocket) -> None:
        await socket.accept()
        await socket.close(4001)
        message = await socket.receive()
        raise WebSocketDisconnect(message["code"])

    async def returns(socket: WebSocket) -> None:
        await socket.accept()

    for handler, code in ((polite, 1000), (listens_on, 4001), (returns, None)):
        with serving(with_socket(handler)) as server, ws.connect(f"{server.ws}/ws") as connection:
            with pytest.raises(websockets.exceptions.ConnectionClosed):
                connection.recv()
            end = ended(seen)
        assert (reason(end), end.failed) == ("completed", False)
        assert end.attributes.get("interaction.session.close_code") == code
        seen.clear()


def test_an_exception_ends_the_session(seen: Captured) -> None:
    """With the reason and what it was; once, as the session does not go on."""

    async def broken(socket: WebSocket) -> None:
        await socket.accept()
        await socket.receive_text()
        raise ValueError("boom")

    with serving(with_socket(broken)) as server, ws.connect(f"{server.ws}/ws") as connection:
        connection.send("go")
        with pytest.raises(websockets.exceptions.ConnectionClosed):
            connection.recv()
        end = ended(seen)
    assert (reason(end), end.failed, end.attributes["exception.message"]) == ("error", True, "boom")
    assert seen.types() == ["session_start", "session_end"]


@pytest.mark.parametrize("grouped", [False, True])
def test_a_disconnect_that_nobody_caught(seen: Captured, grouped: bool) -> None:
    """That the client has gone is no failure, alone or out of a group of tasks."""

    async def listen(socket: WebSocket) -> None:
        await socket.accept()
        if not grouped:
            await socket.receive_text()
        async with asyncio.TaskGroup() as group:
            group.create_task(socket.receive_text())

    with serving(with_socket(listen)) as server:
        with ws.connect(f"{server.ws}/ws"):
            pass
        end = ended(seen)
    assert (reason(end), end.failed) == ("disconnect", False)


def test_a_client_that_goes_while_it_is_talked_to(seen: Captured) -> None:
    """An application that only sends hears of it by an exception of the server's."""

    async def talk(socket: WebSocket) -> None:
        await socket.accept()
        while True:
            await socket.send_text("tick")
            await asyncio.sleep(0.01)

    with serving(with_socket(talk)) as server:
        with ws.connect(f"{server.ws}/ws") as connection:
            assert connection.recv() == "tick"
        end = ended(seen)
    assert (reason(end), end.failed) == ("disconnect", False)


async def test_a_server_that_says_so_by_an_error_of_its_own(seen: Captured) -> None:
    """ASGI has a server raise some OSError once the client has gone: where the application lets it pass, it passes."""
    gone = BrokenPipeError("gone")

    async def app(_: asgi.Scope, __: asgi.Receive, send: asgi.Send) -> None:
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "tick"})

    async def send(message: asgi.Message) -> None:
        if message["type"] == "websocket.send":
            raise gone

    async def receive() -> asgi.Message:
        return {"type": "websocket.connect"}

    with pytest.raises(BrokenPipeError) as caught:
        await SessionMiddleware(app)({"type": "websocket", "headers": [], "path": "/"}, receive, send)
    assert caught.value is gone
    end = seen.one("session_end")
    assert (reason(end), end.failed) == ("disconnect", False)


def test_a_websocket_that_is_turned_away(seen: Captured) -> None:
    """Closed before it is accepted, or answered as a request: no session, no cookie."""

    async def closed(socket: WebSocket) -> None:
        await socket.close(1008)

    async def denied(socket: WebSocket) -> None:
        await socket.send_denial_response(PlainTextResponse("who are you?", status_code=401))

    for handler, status in ((closed, 403), (denied, 401)):
        with serving(with_socket(handler)) as server:
            with pytest.raises(websockets.exceptions.InvalidStatus) as refused:
                ws.connect(f"{server.ws}/ws")
            assert refused.value.response.status_code == status
            assert "set-cookie" not in refused.value.response.headers
        assert seen.interactions == []


@pytest.mark.parametrize("headers", [{}, {"X-Session-Id": "known"}])
def test_an_exception_before_it_is_accepted(seen: Captured, headers: dict[str, str]) -> None:
    """A failure is on record: of a session of its own, which is over, or in the one that was named."""

    async def broken(_: WebSocket) -> None:
        raise ValueError("boom")

    with serving(with_socket(broken)) as server:
        with pytest.raises(websockets.exceptions.InvalidStatus):
            ws.connect(f"{server.ws}/ws", additional_headers=headers)
        eventually(lambda: seen.interactions)
    assert seen.types() == (["error"] if headers else ["session_start", "session_end"])
    assert seen.interactions[-1].attributes["exception.message"] == "boom"


def test_a_reconnect_resumes_the_session(seen: Captured) -> None:
    """One trace, in which each connection has its start and its end."""
    with serving(application()) as server:
        for _ in range(2):
            with ws.connect(f"{server.ws}/chat?session_id=s") as chat:
                chat.send("hello")
                assert chat.recv() == "s"
            eventually(lambda: seen.types()[-1] == "session_end")
    assert seen.types() == ["session_start", "user_message", "session_end"] * 2
    assert all(each.attributes["interaction.session.resumed"] for each in seen.of_type("session_start"))
    assert len({each.trace_id for each in seen.interactions}) == 1


def test_two_tabs(seen: Captured) -> None:
    """A session with two connections ends with the last of them; the failure of the first is an error in it."""

    async def ask(socket: WebSocket) -> None:
        await socket.accept()
        with suppress(WebSocketDisconnect):
            if await socket.receive_text() == "break":
                raise ValueError("boom")

    with serving(with_socket(ask)) as server:
        first, second, third = (ws.connect(f"{server.ws}/ws?session_id=s") for _ in range(3))
        first.send("break")
        eventually(lambda: seen.of_type("error"))
        second.close()
        eventually(lambda: len(seen.of_type("session_start")) == 3)
        httpx.get(f"{server.http}/say?session_id=s")
        assert seen.of_type("session_end") == []
        third.close()
        assert reason(ended(seen)) == "disconnect"
        first.close()
    assert seen.types() == [*["session_start"] * 3, "error", "user_message", "session_end"]


def test_after_a_websocket_a_request_goes_on_with_its_session(seen: Captured) -> None:
    """Its end was an end: the next request says that it goes on, and the one after that does not."""
    with serving(application()) as server, httpx.Client(base_url=server.http) as client:
        cookie = f"session_id={client.get('/say').json()['session']}"
        with ws.connect(f"{server.ws}/chat", additional_headers={"Cookie": cookie}) as chat:
            chat.send("hello")
            assert chat.recv() == "session-1"
            client.get("/say")
        ended(seen)
        client.get("/say")
        client.get("/say")
    assert seen.types() == [
        *("session_start", "user_message"),
        *("session_start", "user_message", "user_message", "session_end"),
        *("session_start", "user_message", "user_message"),
    ]
    assert len({each.trace_id for each in seen.interactions}) == 1


# All the way.


def test_who_tells_that_it_is_open(grpc_receiver: Any) -> None:
    """A silent WebSocket is not taken for abandoned; a session between two requests is, in its time."""
    oi.configure(endpoint=grpc_receiver.endpoint, set_global=False, heartbeat_seconds=0.2)
    kept: list[oi.Session | None] = []

    async def keep() -> None:
        kept.append(oi.current_session())

    def beating() -> set[str]:
        oi.flush()
        return {span.attributes["session.id"] for span in grpc_receiver.spans if span.name == "session_heartbeat"}

    with serving(application(keep)) as server:
        httpx.get(server.http)
        with ws.connect(f"{server.ws}/chat?session_id=connected"):
            eventually(beating)
            time.sleep(0.5)
            assert beating() == {"connected"}
        eventually(lambda: oi.status().recorded.get("session_end"))
        beats = grpc_receiver.names().count("session_heartbeat")
        time.sleep(0.5)
        assert beating() == {"connected"}
        assert grpc_receiver.names().count("session_heartbeat") <= beats + 1
    assert kept[0] is not None


def test_the_example(monkeypatch: pytest.MonkeyPatch) -> None:
    """The requests and the WebSocket of one browser are one session, as the example says."""
    monkeypatch.setenv("OTEL_INTERACTIONS_ENABLED", "false")  # what it configures; here it records into memory
    from otel_interactions.examples.web import app  # noqa: PLC0415  it configures itself

    with captured() as seen, serving(app) as server, httpx.Client(base_url=server.http) as client:
        assert client.post("/ask", params={"question": "Umbrella?"}).text == "Yes, it will rain."
        cookie = f"session_id={client.cookies['session_id']}"
        with ws.connect(f"{server.ws}/chat", additional_headers={"Cookie": cookie}) as chat:
            chat.send("Thanks")
            assert chat.recv() == "Noted."
        assert reason(ended(seen)) == "disconnect"
        assert {each.session_id for each in seen.interactions} == {"session-1"}
        assert seen.one("assistant_response").text == "Yes, it will rain."


def test_sessions_are_what_sql_answers(collector: CollectorProcess) -> None:
    """Through the real collector: open after requests, ended after the WebSocket, open again after the next request."""
    oi.configure(service_name="web", endpoint=f"http://{collector.endpoints['grpc']}", set_global=False)

    def row(session_id: str) -> dict[str, Any]:
        assert oi.flush()
        collector.wait_until_stored()
        (found,) = collector.ask("SELECT * FROM otel.sessions WHERE session_id = {id:String}", id=session_id)
        return found

    with serving(application()) as server, httpx.Client(base_url=server.http) as client:
        session_id = [client.get("/say").json()["session"] for _ in range(3)][-1]
        before = row(session_id)
        with ws.connect(f"{server.ws}/chat?session_id={session_id}") as chat:
            chat.send("hello")
            assert chat.recv() == session_id
        eventually(lambda: oi.status().recorded.get("session_end"))
        after = row(session_id)
        client.get("/say")
        again = row(session_id)
    shown = ("status", "end_reason", "user_messages", "interactions", "errors")
    assert [tuple(each[name] for name in shown) for each in (before, after, again)] == [
        ("active", "", 3, 4, 0),
        ("ended", "disconnect", 4, 7, 0),
        ("active", "", 5, 9, 0),
    ]
    assert len({each["trace_id"] for each in (before, after, again)}) == 1
