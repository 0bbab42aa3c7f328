"""Open sessions in which nothing happens tell that they are open."""

from __future__ import annotations

import gc
import os
import time
from typing import Any

import pytest

import otel_interactions as oi
from otel_interactions.ids import session_ids
from otel_interactions.process import PROCESS

NAME = "session_heartbeat"


@pytest.fixture
def beating(grpc_receiver: Any) -> Any:
    """Beat after 0.4 s of silence."""
    oi.configure(endpoint=grpc_receiver.endpoint, set_global=False, heartbeat_seconds=0.4)
    yield grpc_receiver
    oi.shutdown()


def beats(receiver: Any) -> list[Any]:
    """Return all heartbeats, everything sent."""
    oi.flush()
    return [span for span in receiver.spans if span.name == NAME]


def test_silence(beating: Any) -> None:
    """A silent session beats, in its trace, under its root, and is no interaction; after its end it does not."""
    PROCESS.renew()
    with oi.session("s-1", user_id="u-1") as session:
        time.sleep(1.5)
    found = beats(beating)
    assert 2 <= len(found) <= 4
    time.sleep(0.8)
    assert len(beats(beating)) == len(found)
    for beat in found:
        assert (beat.trace_id, beat.parent_id) == (session.trace_id, session.root_span_id)
        assert beat.attributes == {
            "interaction.session.heartbeat": True,
            "session.id": "s-1",
            "user.id": "u-1",
        }
    recorded = [span for span in beating.spans if span.name != NAME]
    assert [span.attributes["interaction.sequence"] for span in recorded] == [1, 2]
    assert dict(oi.status().recorded) == {"session_start": 1, "session_end": 1}


def test_another_configuration(beating: Any) -> None:
    """A session that was open before goes on to beat after it."""
    with oi.session("s-1"):
        oi.configure(endpoint=beating.endpoint, set_global=False, heartbeat_seconds=0.4)
        time.sleep(1)
        assert beats(beating)


def test_a_session_in_which_something_happens(beating: Any) -> None:
    """It has no need to."""
    with oi.session():
        for _ in range(12):
            time.sleep(0.1)
            oi.user_message("hello")
    assert beats(beating) == []


def test_who_is_not_open(beating: Any) -> None:
    """Sessions that were let go of, and blocks that were left though another process goes on with them."""
    with oi.resume("elsewhere", end=False):
        pass
    oi.session("forgotten").start()
    gc.collect()
    time.sleep(1.2)
    assert beats(beating) == []


def test_switched_off(grpc_receiver: Any) -> None:
    """With `off` there are none, and no thread."""
    oi.configure(endpoint=grpc_receiver.endpoint, set_global=False, heartbeat_seconds=0)
    with oi.session():
        time.sleep(0.5)
    assert beats(grpc_receiver) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child(beating: Any) -> None:
    """A child does not beat for the sessions of its parent, and does for its own."""
    with oi.session("parent"):
        child = os.fork()
        if not child:
            try:
                with oi.session("child"):
                    time.sleep(1)
                oi.flush()
            finally:
                os._exit(0)
        os.waitpid(child, 0)
    oi.flush()
    numbers = {name: int(span.trace_id, 16) for span in beating.spans for name in [span.attributes["session.id"]]}
    assert numbers == {"parent": session_ids("parent")[0], "child": session_ids("child")[0]}
    instances = {
        session: {
            span.resource["service.instance.id"] for span in beats(beating) if span.attributes["session.id"] == session
        }
        for session in ("parent", "child")
    }
    assert len(instances["parent"]) == 1
    assert len(instances["child"]) == 1
    assert instances["parent"] != instances["child"]
