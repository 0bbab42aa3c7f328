"""Ids on their way to other services, and from them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.context import attach, detach
from opentelemetry.propagate import extract, inject

import otel_interactions as oi


@pytest.fixture
def configured(grpc_receiver: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    """Configure the SDK with what goes to other services."""
    oi.configure(endpoint=grpc_receiver.endpoint, propagate=getattr(request, "param", None))
    yield grpc_receiver
    oi.shutdown()


def sent() -> dict[str, str]:
    """Return the headers an instrumented HTTP client sends now."""
    headers: dict[str, str] = {}
    inject(headers)
    return headers


@pytest.mark.usefixtures("configured")
def test_the_session_goes_along() -> None:
    """By default the session's id does, and the user's does not: that may go to anybody."""
    with oi.session("s 1/ü", user_id="u-1") as session:
        found = sent()
        assert found["traceparent"].split("-")[1:3] == [session.trace_id, session.root_span_id]
        assert found["baggage"] == "session.id=s+1%2F%C3%BC"
    assert "baggage" not in sent()


@pytest.mark.parametrize("configured", ["session, user"], indirect=True)
@pytest.mark.usefixtures("configured")
def test_the_user_goes_along() -> None:
    """Where it is asked for; an anonymous one by their other name."""
    with oi.session("s-1", user_id="u-1"):
        assert sorted(sent()["baggage"].split(",")) == ["session.id=s-1", "user.id=u-1"]
    with oi.session("s-1", user_id="u-1", consent=False):
        assert "u-1" not in sent()["baggage"]
        assert "s-1" not in sent()["baggage"]


@pytest.mark.parametrize("configured", ["off"], indirect=True)
def test_nothing_goes_along(configured: Any) -> None:
    """Where it is off; and nothing is taken from what comes."""
    with oi.session("s-1"):
        assert "baggage" not in sent()
    token = attach(extract({"baggage": "session.id=s-9"}))
    with trace.get_tracer("http").start_as_current_span("GET"):
        pass
    detach(token)
    oi.flush()
    assert "session.id" not in configured.wait_for("GET").attributes


def test_another_service(configured: Any) -> None:
    """What a service is sent is on its spans, and it can go on with the session: one trace."""
    with oi.session("s-1") as session:
        headers = sent()
    token = attach(extract(headers))
    with trace.get_tracer("http").start_as_current_span("GET /cart"):
        assert oi.session_id_in_baggage() == "s-1"
        with oi.resume(oi.session_id_in_baggage() or "", end=False):
            oi.event("api", "asked")
    detach(token)
    assert oi.session_id_in_baggage() is None
    oi.flush()
    got = configured.wait_for("GET /cart")
    assert got.attributes["session.id"] == "s-1"
    assert got.trace_id == configured.wait_for("event api").trace_id == session.trace_id


def test_a_session_continues_another(configured: Any) -> None:
    """The start of a session is linked to the start of the one before."""
    with oi.session("first") as first:
        pass
    with oi.session("second", previous_id="first"):
        pass
    oi.flush()
    starts = [span for span in configured.spans if span.name == "session_start"]
    (start,) = [span for span in starts if span.attributes["session.id"] == "second"]
    assert start.attributes["session.previous_id"] == "first"
    (link,) = start.whole.links
    assert (link.trace_id.hex(), link.span_id.hex()) == (first.trace_id, first.root_span_id)


@pytest.mark.parametrize(
    "header", ["session.id=" + "x" * 5000, "session.id=", "session.id=%ff%fe", ";;;=,", "session.id"]
)
def test_what_others_send(configured: Any, header: str) -> None:
    """Whatever stands in the header, the span leaves, and what it carries is short."""
    token = attach(extract({"baggage": header}))
    with trace.get_tracer("http").start_as_current_span("GET"):
        oi.session_id_in_baggage()
    detach(token)
    oi.flush()
    assert len(configured.wait_for("GET").attributes.get("session.id", "")) < 400


@pytest.mark.parametrize("configured", ["session, user"], indirect=True)
@pytest.mark.usefixtures("configured")
def test_a_session_inside_another() -> None:
    """It does not go along under the other's user; a session that is gone on with keeps the user who was sent along."""
    with oi.session("s-1", user_id="u-1"):
        headers = sent()
        with oi.session("s-2"):
            assert sent()["baggage"] == "session.id=s-2"
    token = attach(extract(headers))
    with oi.resume("s-1", end=False):
        assert sorted(sent()["baggage"].split(",")) == ["session.id=s-1", "user.id=u-1"]
    detach(token)


@pytest.mark.parametrize(("sent_along", "required"), [("s-of-jane", True), ("anon-" + "0" * 32, False)])
def test_nobody_has_agreed_by_baggage(grpc_receiver: Any, sent_along: str, *, required: bool) -> None:
    """Where consent is required, and where the other service calls them anonymous, they are so here."""
    oi.configure(endpoint=grpc_receiver.endpoint, require_consent=required, hash_key="k")
    token = attach(extract({"baggage": f"session.id={sent_along}"}))
    with trace.get_tracer("http").start_as_current_span("GET") as span:
        span.set_attribute("app.to", "jane@example.com")
        with oi.resume(oi.session_id_in_baggage() or "", end=False):
            oi.event("api", "for jane@example.com")
    detach(token)
    oi.flush()
    got = grpc_receiver.wait_for("GET")
    assert got.attributes["app.to"] == "[email]"
    assert got.attributes["interaction.anonymous"] is True
    assert got.attributes["session.id"] == grpc_receiver.wait_for("event api").attributes["session.id"]
    assert not [each for each in grpc_receiver.spans if "jane" in str(each.whole)]
