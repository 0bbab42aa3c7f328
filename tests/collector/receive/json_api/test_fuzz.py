"""Whatever is sent, there is an answer that says what became of it, and what is accepted is stored."""

from __future__ import annotations

import copy
import json
import secrets
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.errors import Refused
from collector.receive.json_api import events, interactions
from collector.receive.json_api.batch import Batch, ReadItem, convert
from collector.receive.validate import VALIDATORS
from collector.request import Signal

INTERACTIONS, EVENTS = "/api/interactions/log", "/api/log-interaction"
READ = {INTERACTIONS: interactions.read, EVENTS: events.read}
NOW = 1_700_000_000_123_456_789
FUZZ = settings(derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))

# The words that shapes know, where random names would hardly ever meet one.
WORDS = st.sampled_from(
    [
        *("session_id", "sessionId", "user_id", "interaction_type", "interactionType", "content", "metadata", "id"),
        *("timestamp", "text", "length", "model", "tokens", "response_time_ms", "function_name", "arguments", "error"),
        *("user_message", "aiResponse", "action", "component", "details", "category", "type", "metric", "value"),
        *("fromState", "to_state", "duration", "success", "generationTime", "critical", "service", "events", "logs"),
        *("drafts", "common", "given", "model_extra", "model_fields", "__dict__", "", "model_config", "copy"),
    ]
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=10),
    st.sampled_from([*interactions._BY_TYPE, "info", "2025-01-01T00:00:00Z", "NaN", "1e400", "\0", "\ud800", "🏋"]),
    st.sampled_from([0, -1, 1_704_067_200_000, 2**53 + 1, 1e300, 5e-324]),
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS | st.text(max_size=5), inner, max_size=5)
)
FLAT = st.one_of(SCALARS, st.lists(SCALARS, max_size=2), st.dictionaries(WORDS, SCALARS, max_size=2))


@st.composite
def mutated(draw: st.DrawFn, examples: list[dict[str, Any]]) -> dict[str, Any]:
    """Return an example with a few of its fields, at any level, replaced, removed or added."""
    item = copy.deepcopy(draw(st.sampled_from(examples)))
    for _ in range(draw(st.integers(0, 3))):
        place = item
        while nested := [name for name, value in place.items() if isinstance(value, dict)]:
            if draw(st.booleans()):
                break
            place = place[draw(st.sampled_from(nested))]
        known = sorted(place) or ["x"]
        name = draw(st.sampled_from(known) | WORDS)
        if draw(st.booleans()):
            place[name] = draw(FLAT)
        else:
            place.pop(name, None)
    return item


def converted(body: bytes, read_item: ReadItem) -> Batch | None:
    """Convert as the endpoint does; what comes out must be OTLP that the journal takes."""
    try:
        batch = convert(body, read_item, NOW)
    except Refused:
        return None
    items = VALIDATORS[Signal.TRACES](batch.otlp).items
    assert batch.accepted <= items <= 2 * batch.accepted
    for rejected in batch.rejected:
        assert rejected.reason
        assert "Traceback" not in rejected.reason
    assert len({rejected.index for rejected in batch.rejected}) == len(batch.rejected)
    return batch


@pytest.mark.parametrize("read_item", READ.values(), ids=READ)
@FUZZ
@given(payload=VALUES)
def test_any_json(read_item: ReadItem, payload: Any) -> None:
    """Any JSON is a batch of items, good and bad, or is refused; never anything else."""
    batch = converted(json.dumps(payload).encode(), read_item)
    if batch is not None and isinstance(payload, list):
        assert batch.accepted + len(batch.rejected) == len(payload)


@FUZZ
@given(body=st.binary(max_size=60))
def test_any_bytes(body: bytes) -> None:
    """So are any bytes."""
    converted(body, events.read)


@pytest.mark.parametrize("path", READ)
@FUZZ
@given(data=st.data())
def test_broken_json(examples: dict[str, Any], path: str, data: st.DataObject) -> None:
    """And a good body with some bytes changed."""
    body = bytearray(json.dumps([example for _, example in examples[path]]).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body) - 1))
        body[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    converted(bytes(body), READ[path])


@pytest.mark.parametrize("path", READ)
def test_mutated_examples_over_http(client: Any, examples: dict[str, Any], path: str) -> None:
    """Examples with fields replaced, removed and added: 200 or 400, and what is accepted is stored, to the item."""
    known = [example for _, example in examples[path]]
    spans = []

    @settings(FUZZ, max_examples=15)
    @given(items=st.lists(mutated(known), min_size=8, max_size=16))
    def send(items: list[dict[str, Any]]) -> None:
        batch = {"logs": items, "unlike": secrets.token_hex(8)}  # a body that came before would not be stored again
        reply = client.post(f"{path}?partial=true", json.dumps(batch).encode())
        answer = reply.json()
        assert reply.status_code == (200 if answer["accepted"] else 400), answer
        assert answer["accepted"] + len(answer["rejected"]) == len(items)
        assert {each["index"] for each in answer["rejected"]} <= set(range(len(items)))
        bad = {each["index"] for each in answer["rejected"]}
        good = [item for index, item in enumerate(items) if index not in bad]
        spans.append(len(good) + (sum(map(is_whole_exchange, good)) if path == INTERACTIONS else 0))

    def stored() -> int:
        client.wait_until_stored()
        sql = "SELECT count() AS n FROM otel.otel_traces WHERE ScopeName = 'otel-interactions.json'"
        return int(client.collector.ask(sql)[0]["n"])

    before, dead = stored(), client.collector.health()["dead_letters"]
    send()
    print(f"{sum(spans)} spans of {len(spans)} requests")
    assert sum(spans) > 50
    assert stored() - before == sum(spans)
    assert client.collector.health()["dead_letters"] == dead
    assert "Traceback" not in client.collector.log.read_text()


def is_whole_exchange(item: dict[str, Any]) -> bool:
    """Tell whether an accepted item is a question with its answer, which are two spans."""
    if item.get("interaction_type") is not None or item.get("interactionType") is not None:
        return False
    asked, answered = ("user_message", "userMessage"), ("ai_response", "aiResponse")
    return all(any(item.get(name) is not None for name in spellings) for spellings in (asked, answered))
