"""A body becomes OTLP: how it may be packed, what is said of what is wrong, which bytes come out."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from collector.errors import Malformed, TooLarge
from collector.receive.json_api import events, interactions
from collector.receive.json_api.batch import MAX_ITEMS, Batch, ReadItem, convert

NOW = 1_700_000_000_123_456_789
AT = 1_704_067_200_000
CLICK = {"action": "click", "sessionId": "s", "timestamp": AT}
HELLO = {
    "session_id": "s",
    "interaction_type": "user_message",
    "content": {"text": "hi"},
    "metadata": {"timestamp": AT},
}


def send(payload: Any, read_item: ReadItem = events.read, now_ns: int = NOW) -> Batch:
    return convert(payload if isinstance(payload, bytes) else orjson.dumps(payload), read_item, now_ns)


def spans(batch: Batch) -> list[Span]:
    request = ExportTraceServiceRequest.FromString(batch.otlp)
    return [span for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans]


def said(span: Span) -> dict[str, str]:
    return {each.key: each.value.string_value for each in span.attributes}


@pytest.mark.parametrize(
    ("payload", "alone"),
    [
        ({"action": "click", "timestamp": AT}, True),
        ({"action": "click", "metadata": {"timestamp": AT}}, True),
        ({"action": "click", "id": 0}, True),
        ({"action": "click", "eventId": "e"}, True),
        ({"action": "click", "sessionId": "s", "userId": "u"}, False),
        ({"action": "click", "id": "", "timestamp": None}, False),
        ({"timestamp": AT, "events": [{"action": "a"}, {"action": "b"}]}, True),
        ([{"action": "a", "id": 1}, {"action": "b", "timestamp": AT}], True),
        ([{"action": "a", "id": 1}, {"action": "b"}], False),
        ([{"action": "a", "id": 1}, {"action": 5}], True),
        ([], True),
    ],
)
def test_one_of_a_kind(payload: Any, alone: bool) -> None:
    """Where each good item has an id or a time, equal bytes are the same batch; else they may be two."""
    assert send(payload).is_one_of_a_kind == alone


@pytest.mark.parametrize(
    ("payload", "items"),
    [
        (CLICK, 1),
        ([CLICK], 1),
        ([CLICK, CLICK], 2),
        ({"interactions": [CLICK] * 3}, 3),
        ({"logs": [CLICK] * 3}, 3),
        ({"events": [CLICK] * 3}, 3),
        ([], 0),
        ({"events": []}, 0),
        ([CLICK] * MAX_ITEMS, MAX_ITEMS),
    ],
)
def test_packing(payload: Any, items: int) -> None:
    """One object, an array, or an object that holds an array; an empty one is a success."""
    batch = send(payload)
    assert (batch.accepted, batch.rejected, len(spans(batch))) == (items, [], items)


def test_what_stands_beside_the_array() -> None:
    """It belongs to each item that has no such field of its own, in either spelling."""
    batch = send(
        {
            "sessionId": "shared",
            "user_id": 7,
            "timestamp": AT,
            "events": [{"action": "a"}, {"action": "b", "session_id": "own", "userId": None}, 5],
        }
    )
    first, second = map(said, spans(batch))
    assert (first["session.id"], first["user.id"]) == ("shared", "7")
    assert (second["session.id"], second["user.id"]) == ("own", "7")
    assert {span.start_time_unix_nano for span in spans(batch)} == {AT * 10**6}
    assert [(each.index, each.reason) for each in batch.rejected] == [(2, "found 5; should be an object")]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "the body is not JSON: input is a zero-length, empty document, at line 1 column 1"),
        (b'{"action":\n "click",}', "the body is not JSON: trailing comma is not allowed, at line 2 column 9"),
        (b"[NaN]", "the body is not JSON: unexpected character, expected a JSON value, at line 1 column 2"),
        (b'[{"a":"\\ud800"}', "the body is not JSON: unexpected end of data, at line 1 column 16"),
        (b'["\xff"]', "the body is not UTF-8: byte 2 cannot be decoded; hint: send JSON encoded as UTF-8"),
        (b"[" * 2000, "the body is not JSON: depth limit exceeded, at line 1 column 1026"),
        (b"action=click", "the body is not JSON: unexpected character, expected a JSON value, at line 1 column 1"),
        (b"5", "the body is 5; it should be an object or an array"),
        (b'"x"', 'the body is "x"; it should be an object or an array'),
        (b"null", "the body is null; it should be an object or an array"),
        (b'{"events": {}}', "events is {}; it should be an array"),
        (b'{"logs": null}', "logs is null; it should be an array"),
        (b'{"events": %b}' % (b"[" * 400 + b"]" * 400), ""),
        (b'{"events": [], "logs": []}', "the body has both logs and events; hint: send one array"),
        (b'{"a": %b, "logs": [{}]}' % (b"[" * 400 + b"]" * 400), "what stands beside logs is nested too deep"),
    ],
)
def test_no_batch(body: bytes, sentence: str) -> None:
    """What is no batch at all is told where and why."""
    if not sentence:  # an array that is deep: its one item is no object
        assert send(body).rejected[0].reason == "found a value nested too deep; should be an object"
        return
    with pytest.raises(Malformed) as refused:
        send(body)
    assert str(refused.value).startswith(sentence)


def test_too_much() -> None:
    """Too many items, or too much that would be repeated in each, is too large."""
    with pytest.raises(TooLarge, match=f"the batch has {MAX_ITEMS + 1} items; allowed are {MAX_ITEMS}"):
        send([{}] * (MAX_ITEMS + 1))
    with pytest.raises(TooLarge, match=f"the batch has {MAX_ITEMS + 1} items"):
        send({"events": [{}] * (MAX_ITEMS + 1)})
    with pytest.raises(TooLarge, match="what stands beside events has 5008 characters; allowed are 4096"):
        send({"x": "y" * 5000, "events": [CLICK]})


DEEP = orjson.Fragment("[" * 300 + "]" * 300)
MESSAGE = {"session_id": "s", "interaction_type": "user_message", "content": {"text": "hi"}}
TYPES = (
    "user_message, assistant_response, audio_input, audio_output, tool_call, tool_response, session_start, "
    "session_end or error"
)
KINDS = "category, toState, fromState, metric, generationTime, promptLength, error, action or success"
MOMENTS = "allowed are milliseconds since 1970, or ISO 8601 text, from 2000 up to 2099"


@pytest.mark.parametrize(
    ("item", "field", "reason"),
    [
        (None, "", "found null; should be an object"),
        ([MESSAGE], "", 'found [{"session_id":"s","interaction_type":"user_message","content":{"text":"hi"}}]; should'),
        ({}, "interaction_type", f"is required; should be {TYPES}, or left out where user_message and ai_response"),
        ({"interactionType": "chat"}, "interactionType", f'found "chat"; should be {TYPES}'),
        ({"interaction_type": ["error"]}, "interaction_type", f'found ["error"]; should be {TYPES}'),
        (MESSAGE | {"session_id": None}, "session_id", "found null; should be text that is not blank, or a number"),
        (MESSAGE | {"session_id": " "}, "session_id", 'found " "; should be text that is not blank, or a number'),
        ({**MESSAGE, "session_id": {}}, "session_id", "found {}; should be text or a number"),
        ({"interaction_type": "user_message", "content": {"text": ""}}, "session_id", "is required"),
        (MESSAGE | {"content": "hi"}, "content", 'found "hi"; should be an object'),
        ({"session_id": "s", "interaction_type": "error"}, "content", "is required"),
        (MESSAGE | {"content": {}}, "content", "text is required, or length where the text is not to be kept"),
        (MESSAGE | {"content": {"text": 5}}, "content.text", "found 5; should be a valid string"),
        (MESSAGE | {"content": {"text": "", "length": -1}}, "content.length", "found -1; should be greater than or eq"),
        (MESSAGE | {"metadata": [1]}, "metadata", "found [1]; should be an object"),
        (MESSAGE | {"metadata": {"timestamp": -5}}, "metadata.timestamp", f"found -5; {MOMENTS}"),
        (MESSAGE | {"timestamp": "3000-01-01"}, "timestamp", f'found "3000-01-01"; {MOMENTS}'),
        (MESSAGE | {"userId": False}, "userId", "found false; should be text or a number"),
        (
            MESSAGE | {"interaction_type": "assistant_response", "metadata": {"responseTimeMs": "fast"}},
            "metadata.responseTimeMs",
            'found "fast"; should be a valid number, unable to parse string as a number',
        ),
        (
            MESSAGE | {"interaction_type": "assistant_response", "content": {"text": "", "tokens": 1.5}},
            "content.tokens",
            "found 1.5; should be a valid integer, got a number with a fractional part",
        ),
        (
            {"session_id": "s", "interaction_type": "tool_call", "content": {}},
            "content.function_name",
            "is required",
        ),
        (
            {"session_id": "s", "interaction_type": "tool_call", "content": {"functionName": ""}},
            "content.functionName",
            'found ""; string should have at least 1 character',
        ),
        (
            {"session_id": "s", "interaction_type": "error", "content": {"error": {}, "critical": "perhaps"}},
            "content.error",
            "found {}; should be a valid string; wrong too: content.critical",
        ),
        (
            {"session_id": "s", "interaction_type": "session_end", "content": {"duration": 1e300}},
            "content.duration",
            "found 1e+300; should be less than or equal to 31622400000",
        ),
        ({"user_message": "hi"}, "session_id", "is required"),
        ({"session_id": 1, "aiResponse": 5}, "aiResponse", "found 5; should be a valid string"),
        (MESSAGE | {"x": DEEP}, "", "is nested too deep; allowed are 250 levels"),
    ],
)
def test_rejected_interactions(item: Any, field: str, reason: str) -> None:
    """Which item, which field as the client spelled it, what was found, what is allowed; the others are untouched."""
    batch = send([HELLO, item, HELLO], interactions.read)
    (rejected,) = batch.rejected
    assert (rejected.index, rejected.field) == (1, field)
    assert rejected.reason.startswith(reason)
    assert (batch.accepted, len(spans(batch))) == (2, 2)


@pytest.mark.parametrize(
    ("item", "field", "reason"),
    [
        (
            {"sessionId": "s"},
            "",
            f"its kind is not clear; should have {KINDS}",
        ),
        ({"action": None}, "", "its kind is not clear"),
        ({"action": 5}, "action", "found 5; should be a valid string"),
        ({"action": ""}, "action", 'found ""; string should have at least 1 character'),
        ({"fromState": "idle"}, "toState", "is required"),
        ({"metric": "LCP"}, "value", "is required"),
        ({"metric": "LCP", "value": None}, "value", "found null; should be a valid number"),
        ({"metric": "LCP", "value": True}, "value", "found true; should be a number"),
        ({"generation_time": -1}, "generation_time", "found -1; should be greater than or equal to 0"),
        ({"promptLength": "long"}, "promptLength", 'found "long"; should be a valid integer, unable to parse'),
        ({"success": "perhaps"}, "success", 'found "perhaps"; should be a valid boolean, unable to interpret input'),
        ({"error": {"message": "x"}}, "error", 'found {"message":"x"}; should be a valid string'),
        ({"category": "ui", "type": "loud"}, "type", "found \"loud\"; should be 'debug', 'info', 'warn' or 'error'"),
        ({"category": 7}, "category", "found 7; should be a valid string"),
        ({"action": "x", "timestamp": "soon"}, "timestamp", f'found "soon"; {MOMENTS}'),
        ({"action": "x", "sessionId": []}, "sessionId", "found []; should be text or a number"),
        ({"action": "x", "metadata": {"user_agent": 1}}, "metadata.user_agent", "found 1; should be a valid string"),
    ],
)
def test_rejected_events(item: Any, field: str, reason: str) -> None:
    """The same for events."""
    (rejected,) = send([CLICK, item]).rejected
    assert (rejected.index, rejected.field) == (1, field)
    assert rejected.reason.startswith(reason)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (r"\ud83d", "\ufffd"),
        (r"a\ude00b", "a\ufffdb"),
        (r"\ud83d\ud83d\ude00", "\ufffd😀"),
        (r"\\ud83d \ud83d", "\\ud83d \ufffd"),
        (r"\uD83D\u0041", "\ufffdA"),
    ],
)
def test_half_an_emoji(written: str, read: str) -> None:
    """Text cut in the middle of an emoji, as JavaScript's slice does, is kept with U+FFFD in place of the half."""
    body = b'{"category": "x", "message": "%b"}' % written.encode()
    assert said(spans(send(body))[0])["interaction.message"] == read


def test_the_same_again_is_the_same_to_the_byte() -> None:
    """Sent again later, a batch whose items carry timestamps is the same bytes; without one the receipt counts."""
    payload = [CLICK, HELLO | {"action": "a"}, CLICK | {"sessionId": None}, CLICK | {"id": 5, "service": "b"}]
    assert send(payload).otlp == send(payload, now_ns=NOW + 10**12).otlp
    payload.append({"action": "click", "sessionId": "s"})
    assert send(payload).otlp != send(payload, now_ns=NOW + 10**12).otlp


def test_known_bytes() -> None:
    """The bytes of one batch, by their hash: other versions must not recognise less of what is sent again."""
    assert hashlib.sha256(send([CLICK, CLICK | {"id": "e-1"}]).otlp).hexdigest() == KNOWN


KNOWN = "6029e1c9c41d6df80f3cf99f40a0b7ad257d6534eb81ac36f12f0eb4b4c9a5f8"


def test_ids_of_spans() -> None:
    """Same place and content, same id; another place, content or session, another; a client's id decides alone."""

    def span_id(payload: Any, place: int = 0) -> bytes:
        return spans(send(payload))[place].span_id

    one = span_id(CLICK)
    assert one == span_id([CLICK])
    others = [
        span_id([CLICK, CLICK], 1),
        span_id(CLICK | {"component": "x"}),
        span_id(CLICK | {"sessionId": "t"}),
        span_id(CLICK | {"timestamp": AT + 1}),
        span_id(CLICK | {"id": 7}),
        span_id(CLICK | {"id": 8}),
        span_id(CLICK | {"id": 7, "sessionId": "t"}),
        span_id({"error": "x", "sessionId": "s", "id": 7}),
    ]
    assert len({one, *others}) == 9
    moved = span_id([CLICK, CLICK | {"eventId": "7", "timestamp": AT + 9, "component": "y"}], 1)
    assert moved == span_id(CLICK | {"id": 7})
    alone = CLICK | {"sessionId": None}
    assert span_id([alone, alone], 0) != span_id([alone, alone], 1)
    assert span_id(alone | {"id": 7}) == span_id([CLICK, alone | {"id": 7}], 1)


def test_without_a_time() -> None:
    """Items without a timestamp happened at their receipt, in the order they stand, and took what they say before."""
    made = spans(send([{"action": "a"}, {"action": "b"}, {"generationTime": 1.5}]))
    assert [(span.start_time_unix_nano - NOW, span.end_time_unix_nano - NOW) for span in made] == [
        *((0, 0), (1, 1), (2 - 1_500_000, 2)),
    ]


def test_applications() -> None:
    """Items of one application share a resource; where none is named, none is made up."""
    batch = send([CLICK, CLICK | {"service": "a"}, CLICK | {"metadata": {"service": "a", "environment": "t"}}, CLICK])
    request = ExportTraceServiceRequest.FromString(batch.otlp)
    found = [
        (
            {each.key: each.value.string_value for each in resource.resource.attributes},
            len(resource.scope_spans[0].spans),
        )
        for resource in request.resource_spans
    ]
    assert found == [
        ({}, 2),
        ({"service.name": "a"}, 1),
        ({"service.name": "a", "deployment.environment.name": "t"}, 1),
    ]
    assert {resource.scope_spans[0].scope.name for resource in request.resource_spans} == {"otel-interactions.json"}


def test_critical_is_a_switch() -> None:
    """`interaction.critical` is a true bool, wherever and however the client said it."""
    for critical in ({"critical": True}, {"critical": "true"}, {"metadata": {"critical": 1}}):
        (span,) = spans(send({"error": "x"} | critical))
        (value,) = (each.value for each in span.attributes if each.key == "interaction.critical")
        assert (value.WhichOneof("value"), value.bool_value) == ("bool_value", True)
