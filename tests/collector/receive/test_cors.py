"""Pages of listed origins may send from a browser; others may not."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from otlp_builders import span, traces
from processes import PROTOBUF, CollectorProcess
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from collector.receive import cors

LISTED, OTHER = "https://app.example.org", "https://evil.example.org"


@pytest.fixture
def browser(small: CollectorProcess) -> Iterator[httpx.Client]:
    """A client that sends what browsers send."""
    with httpx.Client(base_url=f"http://{small.endpoints['http']}", verify=False) as client:  # noqa: S501 - plain HTTP
        yield client


def preflight(client: httpx.Client, origin: str, headers: str = "content-type") -> httpx.Response:
    """Ask as a browser does before it sends."""
    asked = {"origin": origin, "access-control-request-method": "POST", "access-control-request-headers": headers}
    return client.options("/v1/traces", headers=asked)


@pytest.mark.parametrize("headers", ["content-type", "authorization, content-type, x-api-key", "x-anything"])
def test_preflight(browser: httpx.Client, headers: str) -> None:
    """A listed origin may post with a content type, credentials and headers of its own."""
    reply = preflight(browser, LISTED, headers)
    assert reply.status_code == 200
    assert reply.headers["access-control-allow-origin"] == LISTED
    assert reply.headers["access-control-allow-credentials"] == "true"
    assert "POST" in reply.headers["access-control-allow-methods"]
    assert reply.headers["access-control-allow-headers"] == headers
    assert "Origin" in reply.headers["vary"]


@pytest.mark.parametrize("origin", [OTHER, "http://app.example.org", "https://app.example.org:8443", "null"])
def test_other_origins(browser: httpx.Client, origin: str) -> None:
    """An origin that is not listed, be it by a letter, is told nothing a browser would take for a yes."""
    assert "access-control-allow-origin" not in preflight(browser, origin).headers
    reply = browser.post("/v1/traces", content=b"", headers=PROTOBUF | {"origin": origin})
    assert "access-control-allow-origin" not in reply.headers


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [(traces(span()).SerializeToString(), PROTOBUF, 200), (b"\xff", PROTOBUF, 400), (b"", {"x": "y"}, 415)],
    ids=["accepted", "malformed", "unsupported"],
)
def test_the_page_may_read_the_answer(browser: httpx.Client, body: bytes, headers: dict[str, str], status: int) -> None:
    """Answers and refusals carry what lets the page read them, and when to come back."""
    reply = browser.post("/v1/traces", content=body, headers=headers | {"origin": LISTED})
    assert reply.status_code == status
    assert reply.headers["access-control-allow-origin"] == LISTED
    assert reply.headers["access-control-allow-credentials"] == "true"
    assert "Retry-After" in reply.headers["access-control-expose-headers"]


def test_off_by_default(collector: CollectorProcess) -> None:
    """Without listed origins nothing is said about any: browsers then refuse."""
    reply = collector.post("/v1/traces", b"", PROTOBUF | {"origin": LISTED})
    assert reply.status_code == 200
    assert "access-control-allow-origin" not in reply.headers


async def test_any_origin_gets_no_credentials() -> None:
    """A bare * lets any page send, and none with credentials."""
    app = Starlette(middleware=[Middleware(CORSMiddleware, **cors.options(["*"]))])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
        asked = {"origin": OTHER, "access-control-request-method": "POST"}
        for reply in (await client.options("/", headers=asked), await client.get("/", headers={"origin": OTHER})):
            assert reply.headers["access-control-allow-origin"] == "*"
            assert "access-control-allow-credentials" not in reply.headers
